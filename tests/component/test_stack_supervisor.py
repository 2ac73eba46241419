"""A supervisord that stays: another process finds it again, and a stop leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cron.project_root import PROJECT_ROOT
from deploy.supervision.configuration import Place, Supervised
from deploy.supervision.supervisor import ProgramFailed, Supervisor

SHOW = (
    "import os, time\nprint('up', os.environ.get('TEXT'), flush=True)\nwhile True: time.sleep(1)\n"
)
STUBBORN = f"""import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", {SHOW!r}], start_new_session=True)
{SHOW}"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Return a folder; the programs that were started in it are ended afterwards."""
    one = Place(root=PROJECT_ROOT, var=tmp_path / "a b 100%" / "var")
    one.var.mkdir(parents=True)
    yield one
    Supervisor(one).stop(limit_s=5)


def programs(folder: Path, **scripts: str) -> dict[str, Supervised]:
    """Write the scripts into the folder; each prints TEXT of its own environment."""
    for name, text in scripts.items():
        (folder / f"{name}.py").write_text(text)
    return {
        name: Supervised(
            command=[sys.executable, str(folder / f"{name}.py")],
            starts_by_itself=False,
            environment={"TEXT": f"{name} 100%"},
            stop_s=1,
            started_after_s=30,  # so that one which fails has not started, on a busy machine too
        )
        for name in scripts
    }


def test_a_program_starts_on_request_with_its_environment(place: Place) -> None:
    stack = Supervisor(place)
    stack.start(programs(place.var, first=SHOW, second=SHOW), os.environ, stays=True)
    assert set(stack.states().values()) == {"STOPPED"}
    stack.start_program("first")
    stack.start_program("first")
    until(lambda: output_of(place, "first") == "up first 100%\n", "first")
    assert stack.states()["second"] == "STOPPED"
    stack.stop_programs(["first"], limit_s=60)
    assert stack.states()["first"] == "STOPPED"


def test_it_outlives_its_starter_and_another_process_ends_it(place: Place) -> None:
    starter = f"""import os, sys
from pathlib import Path
from deploy.supervision.configuration import Place
from deploy.supervision.supervisor import Supervisor
from tests.component.test_stack_supervisor import STUBBORN, programs
place = Place(root=Path({str(PROJECT_ROOT)!r}), var=Path({str(place.var)!r}))
stack = Supervisor(place)
stack.start(programs(place.var, stubborn=STUBBORN), os.environ, stays=True)
stack.start_program("stubborn")"""
    subprocess.run([sys.executable, "-c", starter], cwd=PROJECT_ROOT, check=True, timeout=240)
    stack = Supervisor(place)
    assert stack.runs
    until(lambda: output_of(place, "stubborn").count("up") >= 2, "the program and its child")
    pids = [one.pid for one in supervisord(place).children(recursive=True)]
    assert len(pids) == 2
    stack.stop(limit_s=60)
    until(lambda: not alive(pids), "all to be gone")
    assert not stack.runs
    assert stack.stop(limit_s=1) == 0, "a second stop finds nothing"


def test_orphans_of_a_killed_supervisord_are_ended_too(place: Place) -> None:
    stack = Supervisor(place)
    stack.start(programs(place.var, stubborn=STUBBORN), os.environ, stays=True)
    stack.start_program("stubborn")
    until(lambda: output_of(place, "stubborn").count("up") >= 2, "the program and its child")
    dead = supervisord(place)
    pids = [one.pid for one in dead.children(recursive=True)]
    dead.kill()
    until(lambda: not stack.runs, "supervisord to be gone")
    stack.stop(limit_s=5)
    until(lambda: not alive(pids), "all to be gone")


def test_a_program_that_is_given_up_is_named_with_its_log(place: Place) -> None:
    stack = Supervisor(place)
    broken = "import sys\nsys.exit('no such model store')\n"
    stack.start(programs(place.var, broken=broken), os.environ, stays=True)
    stack.start_program("broken")
    until(lambda: stack.states()["broken"] == "FATAL", "broken to be given up")
    with pytest.raises(ProgramFailed, match="no such model store"):
        stack.check()


def test_only_the_owner_can_read_its_configuration(place: Place) -> None:
    Supervisor(place).start(programs(place.var, one=SHOW), os.environ, stays=True)
    assert (place.var / "supervisord.conf").stat().st_mode & 0o077 == 0


def supervisord(place: Place) -> psutil.Process:
    return psutil.Process(int((place.var / "supervisord.pid").read_text()))


def output_of(place: Place, name: str) -> str:
    log = place.log_of(name)
    return log.read_text() if log.exists() else ""


def alive(pids: list[int]) -> list[int]:
    """Return those that still run; one that ended and waits to be reaped does not."""
    return [
        pid
        for pid in pids
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]


def until(true: Callable[[], bool], what: str, *, limit_s: float = 180.0) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, f"waited {limit_s:.0f} s for {what}"
        time.sleep(0.05)
