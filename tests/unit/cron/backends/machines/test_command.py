"""What a program of the operator may get wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cron.backends.machines.command import CommandMachines
from cron.errors import Unavailable
from cron.machine_errors import MachinesRefused
from cron.wiring import open_machines


def machines_of(code: str, *, limit_s: float = 120.0) -> CommandMachines:
    return CommandMachines((sys.executable, "-c", code), where="a test", limit_s=limit_s)


def test_a_program_that_fails_is_quoted() -> None:
    program = machines_of("import sys; sys.exit('the quota is used up')")
    with pytest.raises(MachinesRefused, match="`start 2` ended with status 1: the quota is used"):
        program.start(2)


def test_an_answer_without_a_number_is_quoted() -> None:
    with pytest.raises(MachinesRefused, match="`joined` printed 'two', expected a number"):
        machines_of("print('two')").num_joined()


def test_a_program_that_hangs_is_killed() -> None:
    program = machines_of("import time; time.sleep(600)", limit_s=0.2)
    with pytest.raises(Unavailable, match="`stop` did not end"):
        program.stop()


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(MachinesRefused, match="No such file"):
        open_machines(f"command:{tmp_path}/nothing?machines=1").start(1)


def test_it_gets_no_secret_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    code = "import os; print(int('AWS_SECRET_ACCESS_KEY' in os.environ))"
    assert machines_of(code).num_joined() == 0
