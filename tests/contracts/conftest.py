"""Fixtures of the contract suites."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lost_machines import JoinedMachine


@pytest.fixture
def url(back_end: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Return the URL of a new, empty instance of one of the module's back ends."""
    module = request.module
    made: str
    if back_end in module.EMBEDDED:
        made = module.EMBEDDED[back_end](tmp_path)
    else:
        made = module.ON_SERVERS[back_end](request.getfixturevalue("servers"))
    return made


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[JoinedMachine]:
    """Another machine, which is there once it is added."""
    machine = JoinedMachine(tmp_path / "helper")
    yield machine
    machine.lose_machine()
