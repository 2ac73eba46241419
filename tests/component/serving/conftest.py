"""A server with three releases, for the tests of the reconciler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cron.services import Services
from tests.shelf import open_shelf
from tests.workshop import close_workshop, server_of


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Versions 1, 2, 3 were published, all are loaded; two stay loaded by the settings."""
    services = open_shelf(tmp_path, 1, 2, 3)
    server_of(services).log.clear()
    yield services
    close_workshop(services)
