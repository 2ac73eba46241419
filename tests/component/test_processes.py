"""supervisord with real processes: all are watched, and none outlives a stop."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from supervisor.loggers import LogRecord

from cron.project_root import PROJECT_ROOT
from deploy.machine import serve
from deploy.supervision.configuration import STOP_S, Place, Supervised, read_socket
from deploy.supervision.supervisor import END_S, ProgramFailed, Supervisor
from deploy.supervision.supervisord import PatientLog

BUSY_S = 20.0  # for which processes may wait for a processor
MEEK = "import time\nprint('up', flush=True)\nwhile True: time.sleep(1)\n"
# ignores SIGTERM, and so does its child in a process group of its own, as a trainer has
STUBBORN = f"""import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", {MEEK!r}], start_new_session=True)
{MEEK}"""
TICKING = "import time\nwhile True: print('up', flush=True); time.sleep(0.05)\n"
# prints more than a pipe holds, over and over, and counts its rounds in a file of its own
CHATTY = """import pathlib, sys, time
rounds = pathlib.Path(sys.argv[0]).with_suffix(".rounds")
for number in range(10**9):
    print("up", number, "x" * 100_000, flush=True)
    rounds.write_text(str(number))
    time.sleep(0.05)
"""
BROKEN = "import sys\nsys.exit('bad news: no such model store')\n"


def test_everything_ends_within_ten_seconds(tmp_path: Path) -> None:
    with _running(tmp_path, {"meek": MEEK, "stubborn": STUBBORN}) as (processes, pids):
        began = time.monotonic()
        processes.stop(limit_s=STOP_S + 1.0)
        took_s = time.monotonic() - began
    assert STOP_S + 1.0 + END_S <= 10
    assert took_s < 10 + BUSY_S, "its limits hold, if late on a busy machine"
    _until(lambda: not _alive(pids), "all to be gone")


def test_what_a_killed_supervisord_orphans_is_ended_too(tmp_path: Path) -> None:
    with _running(tmp_path, {"meek": MEEK, "stubborn": STUBBORN}) as (processes, pids):
        supervisord = int((tmp_path / "var" / "supervisord.pid").read_text())
        psutil.Process(supervisord).kill()
        _until(lambda: not _alive([supervisord]), "supervisord to be gone")
        with pytest.raises(ProgramFailed, match="supervisord"):
            processes.check()
        processes.stop(limit_s=STOP_S + 1.0)
    _until(lambda: not _alive(pids), "all to be gone")


def test_a_program_that_fails_at_start_is_named_with_its_log(tmp_path: Path) -> None:
    with _start(tmp_path, {"meek": MEEK, "broken": BROKEN}, started_after_s=30) as processes:
        _until(lambda: processes.states().get("broken") == "FATAL", "broken to be given up")
        with pytest.raises(ProgramFailed, match="bad news") as failure:
            processes.check()
    assert failure.value.name == "broken"
    assert str(tmp_path / "var" / "log" / "broken.out") in str(failure.value)


def test_a_program_that_keeps_ending_is_named(tmp_path: Path) -> None:
    """Supervisord counts it as started and would restart it forever."""

    def check(processes: Supervisor) -> bool:
        processes.check()
        return False

    slow = {"slow": f"import time\ntime.sleep(1.3)\n{BROKEN}"}
    with (
        _start(tmp_path, slow) as processes,
        pytest.raises(ProgramFailed, match="bad news") as failure,
    ):
        _until(lambda: check(processes), "slow to be named")
    assert failure.value.name == "slow"


def test_each_program_given_up_is_reported_and_started_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(name: str) -> str:
        return (
            "from pathlib import Path\n"
            f"if not Path({str(tmp_path / name)!r}).exists(): raise SystemExit('no disk')\n"
            f"{MEEK}"
        )

    def sleep(_: float) -> None:
        time.sleep(0.05)
        if set(processes.states().values()) == {"FATAL"}:
            (tmp_path / "repaired").touch()
        if processes.states()["repaired"] == "RUNNING":
            raise serve.Stop

    scripts = {name: script(name) for name in ("broken", "repaired")}
    with _start(tmp_path, scripts, started_after_s=6) as processes:
        _until(lambda: set(processes.states().values()) == {"FATAL"}, "both to be given up")
        with pytest.raises(serve.Stop):
            serve.stay(processes, retry_s=1.0, sleep=sleep)
    said = capsys.readouterr().err
    assert [said.count(f"{name} does not stay up") for name in ("broken", "repaired")] == [1, 1]


def test_a_killed_program_is_reported_when_it_runs_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    def sleep(_: float) -> None:
        time.sleep(0.05)
        said.append(capsys.readouterr().err)
        if len(said) == 1:
            os.kill(processes.looks()["meek"].pid, signal.SIGKILL)
        if "ended" in "".join(said) and len(said) > 20:
            raise serve.Stop

    with _running(tmp_path, {"meek": MEEK, "other": MEEK}) as (processes, _):
        with pytest.raises(serve.Stop):
            serve.stay(processes, sleep=sleep)
        log = processes.place.log_of("meek")
    assert "".join(said) == f"meek ended unexpectedly and was started again; its log is {log}\n"


def test_programs_end_when_their_starter_is_killed(tmp_path: Path) -> None:
    var = tmp_path / "var"
    (tmp_path / "meek.py").write_text(MEEK)
    starter = f"""import os, sys, time
from pathlib import Path
from deploy.supervision.configuration import Place, Supervised
from deploy.supervision.supervisor import Supervisor
place = Place(root=Path({str(PROJECT_ROOT)!r}), var=Path({str(var)!r}))
meek = Supervised(command=[sys.executable, {str(tmp_path / "meek.py")!r}])
Supervisor(place).start({{"meek": meek}}, os.environ)
time.sleep(3600)"""
    var.mkdir()
    with subprocess.Popen([sys.executable, "-c", starter], cwd=PROJECT_ROOT) as killed:
        _until(lambda: "up" in _printed_text(var, "meek"), "the program to start")
        pids = [child.pid for child in psutil.Process(killed.pid).children(recursive=True)]
        killed.kill()
    assert len(pids) == 2
    _until(lambda: not _alive(pids), "supervisord and its program to end")


def test_a_folder_made_for_the_socket_of_a_long_path_is_deleted(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100)
    folder.mkdir()
    with _start(folder, {"meek": MEEK}) as processes:
        _until(lambda: bool(processes.states()), "supervisord to answer")
        socket = read_socket(processes.place.configuration)
        assert socket is not None
        assert socket.parent.is_dir()
        assert folder not in socket.parents
    assert not socket.parent.exists()


def test_a_full_disk_costs_lines_of_the_logs_and_no_program(tmp_path: Path) -> None:
    """A limit on file sizes refuses every write of supervisord, as a full disk does."""
    with _running(tmp_path, {"chatty": CHATTY, "meek": MEEK}) as (processes, _):
        supervisord = psutil.Process(int((tmp_path / "var" / "supervisord.pid").read_text()))
        supervisord.rlimit(psutil.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        _next_rounds(tmp_path)
        killed = processes.looks()["meek"].pid
        psutil.Process(killed).kill()  # which supervisord logs

        def runs_again() -> bool:
            look = processes.looks().get("meek")  # none while supervisord does not answer
            return look is not None and look.state == "RUNNING" and look.pid != killed

        _until(runs_again, "meek to be started again")
        processes.check()
        size = len(_printed_text(tmp_path / "var", "chatty"))
        _next_rounds(tmp_path)
        assert len(_printed_text(tmp_path / "var", "chatty")) == size

        supervisord.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        _until(lambda: len(_printed_text(tmp_path / "var", "chatty")) != size, "the log to go on")


def test_a_log_that_was_moved_is_started_again(tmp_path: Path) -> None:
    with _running(tmp_path, {"ticking": TICKING}):
        log = tmp_path / "var" / "log" / "ticking.out"
        log.rename(log.with_suffix(".moved"))
        _until(lambda: "up" in _printed_text(tmp_path / "var", "ticking"), "a new log")


def test_a_log_that_cannot_be_rotated_goes_on(tmp_path: Path) -> None:
    (tmp_path / "program.out.1").mkdir()  # in the way of the rotation
    (tmp_path / "program.out.1" / "file").touch()
    log = PatientLog(str(tmp_path / "program.out"), "a", 1000, 1)
    for number in range(100):
        log.emit(LogRecord(20, f"line {number:90}\n".encode()))
    log.close()
    assert f"line {99:90}\n" in (tmp_path / "program.out").read_text()


def _next_rounds(folder: Path) -> None:
    """Wait until the chatty program has printed more than a pipe holds, several times."""
    rounds, seen = folder / "chatty.rounds", list[int]()

    def is_later() -> bool:
        if text := rounds.read_text():  # it is empty while it is written
            seen.append(int(text))
        return len(seen) > 0 and seen[-1] > seen[0] + 5

    _until(is_later, "the chatty program to go on")


def test_paths_with_spaces_and_percent_signs(tmp_path: Path) -> None:
    folder = tmp_path / "a b 100%"
    folder.mkdir()
    with _running(folder, {"meek": MEEK}) as (processes, _):
        assert processes.states()["meek"] in ("STARTING", "RUNNING")


@contextmanager
def _running(folder: Path, scripts: dict[str, str]) -> Iterator[tuple[Supervisor, list[int]]]:
    """Start scripts, wait until each has printed, and give all pids below us."""
    with _start(folder, scripts) as processes:
        _until(
            lambda: all("up" in _printed_text(folder / "var", name) for name in scripts),
            "all programs to start",
        )
        yield processes, [child.pid for child in psutil.Process().children(recursive=True)]


@contextmanager
def _start(
    folder: Path, scripts: dict[str, str], *, started_after_s: int = 1
) -> Iterator[Supervisor]:
    """Start scripts; one that ends before `started_after_s`, on a busy machine too, has failed."""
    var = folder / "var"
    var.mkdir()
    for name, text in scripts.items():
        (folder / f"{name}.py").write_text(text)
    programs = {
        name: Supervised(
            command=[sys.executable, str(folder / f"{name}.py")],
            started_after_s=started_after_s,
            retries=1,
        )
        for name in scripts
    }
    processes = Supervisor(Place(root=PROJECT_ROOT, var=var))
    try:
        processes.start(programs, os.environ)
        yield processes
    finally:
        processes.stop(limit_s=STOP_S + 1.0)


def _printed_text(var: Path, name: str) -> str:
    log = var / "log" / f"{name}.out"
    return log.read_text() if log.exists() else ""


def _alive(pids: list[int]) -> list[int]:
    """Return those that still run; one that ended and waits to be reaped does not."""
    return [
        pid
        for pid in pids
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]


def _until(true: Callable[[], bool], what: str, *, limit_s: float = 180.0) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, f"waited {limit_s:.0f} s for {what}"
        time.sleep(0.05)
