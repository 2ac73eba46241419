"""The database of the tests that read a ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.ledgers import EMBEDDED


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a new, empty ledger in `tmp_path`."""
    return EMBEDDED["sqlite"](tmp_path)
