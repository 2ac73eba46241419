"""The databases that a ledger may be stored in, for the suites that run on each of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.servers import Servers

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EMBEDDED: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder}/ledger.db"
}
ON_SERVERS: dict[str, Callable[[Servers], str]] = {
    "postgresql": lambda servers: servers.postgres_database()
}
