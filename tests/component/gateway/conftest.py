"""The fixtures of these tests: a running gateway, and the ledger that it starts with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.component import story
from tests.component.gateway_process import RunningGateway, run_gateway


@pytest.fixture(scope="session")
def story_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ledger with the story, to be copied."""
    file = tmp_path_factory.mktemp("story") / "ledger.db"
    story.tell(file).close()
    return file


@pytest.fixture
def running(tmp_path: Path, story_ledger: Path) -> Iterator[RunningGateway]:
    """Serve a gateway for one test."""
    with run_gateway(tmp_path, story_ledger) as running:
        yield running


@pytest.fixture(scope="module")
def shared_gateway(
    tmp_path_factory: pytest.TempPathFactory, story_ledger: Path
) -> Iterator[RunningGateway]:
    """Serve one gateway for all the calls of a module that leave nothing behind."""
    with run_gateway(tmp_path_factory.mktemp("shared"), story_ledger) as running:
        yield running
