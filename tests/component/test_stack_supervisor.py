"""The stack's supervisord: it outlives its starter, is found again by its pid file, and nothing of it outlives a stop."""

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
from deploy.machine.processes import Place, ProgramFailed, Supervised
from deploy.stack.supervisor import Detached

SHOW = (
    "import os, time\nprint('up', os.environ.get('SAID'), flush=True)\nwhile True: time.sleep(1)\n"
)
STUBBORN = f"""import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", {SHOW!r}], start_new_session=True)
{SHOW}"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Return a folder; what was started in it is ended."""
    one = Place(root=PROJECT_ROOT, var=tmp_path / "a b 100%" / "var")
    one.var.mkdir(parents=True)
    yield one
    Detached(one).stop(limit_s=5)


def programs(folder: Path, **scripts: str) -> dict[str, Supervised]:
    """Write the scripts into the folder; each is told what to say by its own environment."""
    for name, text in scripts.items():
        (folder / f"{name}.py").write_text(text)
    return {
        name: Supervised(
            command=[sys.executable, str(folder / f"{name}.py")],
            starts_by_itself=False,
            environment={"SAID": f"{name} 100%"},
            stop_s=1,
        )
        for name in scripts
    }


def test_a_program_starts_when_it_is_told_with_its_own_environment(place: Place) -> None:
    stack = Detached(place)
    stack.start(programs(place.var, first=SHOW, second=SHOW), os.environ)
    assert set(stack.states().values()) == {"STOPPED"}
    stack.start_program("first")
    stack.start_program("first")
    until(lambda: printed(place, "first") == "up first 100%\n", "first")
    assert stack.states()["second"] == "STOPPED"
    stack.stop_programs(["first"], limit_s=10)
    assert stack.states()["first"] == "STOPPED"


def test_it_outlives_its_starter_and_is_ended_by_another_process(place: Place) -> None:
    starter = f"""import os, sys
from pathlib import Path
from deploy.machine.processes import Place
from deploy.stack.supervisor import Detached
from tests.component.test_stack_supervisor import STUBBORN, programs
place = Place(root=Path({str(PROJECT_ROOT)!r}), var=Path({str(place.var)!r}))
stack = Detached(place)
stack.start(programs(place.var, stubborn=STUBBORN), os.environ)
stack.start_program("stubborn")"""
    subprocess.run([sys.executable, "-c", starter], cwd=PROJECT_ROOT, check=True, timeout=60)
    stack = Detached(place)
    assert stack.runs
    until(lambda: printed(place, "stubborn").count("up") >= 2, "the program and its child")
    pids = [one.pid for one in supervisord(place).children(recursive=True)]
    assert len(pids) == 2
    stack.stop(limit_s=10)
    assert not alive(pids)
    assert not stack.runs
    assert stack.stop(limit_s=1) == 0, "a second stop finds nothing"


def test_what_a_killed_supervisord_orphans_is_ended_too(place: Place) -> None:
    stack = Detached(place)
    stack.start(programs(place.var, stubborn=STUBBORN), os.environ)
    stack.start_program("stubborn")
    until(lambda: printed(place, "stubborn").count("up") >= 2, "the program and its child")
    dead = supervisord(place)
    pids = [one.pid for one in dead.children(recursive=True)]
    dead.kill()
    until(lambda: not stack.runs, "supervisord to be gone")
    stack.stop(limit_s=5)
    assert not alive(pids)


def test_a_program_that_is_given_up_is_named_with_its_last_words(place: Place) -> None:
    stack = Detached(place)
    stack.start(
        programs(place.var, broken="import sys\nsys.exit('no such model store')\n"), os.environ
    )
    stack.start_program("broken")
    until(lambda: stack.states()["broken"] == "FATAL", "broken to be given up")
    with pytest.raises(ProgramFailed, match="no such model store"):
        stack.check()


def test_passwords_in_its_configuration_are_for_the_owner_alone(place: Place) -> None:
    Detached(place).start(programs(place.var, one=SHOW), os.environ)
    assert (place.var / "supervisord.conf").stat().st_mode & 0o077 == 0


def supervisord(place: Place) -> psutil.Process:
    return psutil.Process(int((place.var / "supervisord.pid").read_text()))


def printed(place: Place, name: str) -> str:
    log = place.log_of(name)
    return log.read_text() if log.exists() else ""


def alive(pids: list[int]) -> list[int]:
    """Return those that still run; one that ended and waits to be reaped does not."""
    return [
        pid
        for pid in pids
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]


def until(true: Callable[[], bool], what: str, *, limit_s: float = 30.0) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, f"waited {limit_s:.0f} s for {what}"
        time.sleep(0.05)
