"""Which URL scheme opens which back end: a dict a port, from scheme to a function that imports its client inside.

Knows names and paths; does not know what a back end does.

A path in a URL follows SQLAlchemy's rule: three slashes start at the project's root (`sqlite:///var/events.db`), four are
absolute (`sqlite:////srv/freshet/events.db`). `store.var` is an ordinary path, relative to the project's root too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cron.config import Settings
from cron.errors import SettingsError

if TYPE_CHECKING:  # imported late, so that `rollback` and `status` load nothing that they don't need
    from cron.ledger import Ledger
    from cron.ports import ArtifactStore, EventLog, Histories

PROJECT_ROOT = Path(__file__).resolve().parents[1]

# Every scheme that exists, by the key under [store]; `check_url` refuses the others before anything is opened.
SCHEMES: Mapping[str, tuple[str, ...]] = {
    "events": ("sqlite",),
    "histories": ("sqlite",),
    "artifacts": ("file",),
    "ledger": ("sqlite",),
    "launcher": ("process",),
    "server": ("torchserve",),
}
_ON_DISK = ("sqlite", "file")


def check_url(store: str, url: str) -> str | None:
    """Return what was expected when the URL can't name this store; None when it can."""
    known = SCHEMES[store]
    scheme = urlsplit(url).scheme
    if scheme not in known:
        return "a URL that starts with " + " or ".join(f"{name}:" for name in known)
    parts = urlsplit(url)
    if scheme in _ON_DISK and (parts.netloc or not parts.path.strip("/")):
        return f"{scheme}:///PATH from the project's root, or {scheme}:////PATH from the root of the disk"
    return _wrong_server(url) if scheme == "torchserve" else None


def local_path(url: str) -> Path:
    """Return the absolute path of an on-disk URL."""
    return PROJECT_ROOT / urlsplit(url).path.removeprefix("/")


def var_folder(settings: Settings) -> Path:
    """Return the absolute path of the working folder: runs, caches, logs, dead letters."""
    return PROJECT_ROOT / settings.store.var


def open_ledger(url: str) -> Ledger:
    """Open the ledger; torch-free and quick."""
    _require("ledger", url)
    from cron.ledger import open_ledger as open_url

    path = local_path(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    return open_url(f"sqlite:///{path}")


def open_log(url: str) -> EventLog:
    """Open the event log."""
    _require("events", url)
    from cron.backends.events_sqlite import open_log as open_path

    return open_path(_made(local_path(url)))


def open_histories(url: str) -> Histories:
    """Open the histories."""
    _require("histories", url)
    from cron.backends.histories_sqlite import open_histories as open_path

    return open_path(_made(local_path(url)))


def open_artifacts(url: str) -> ArtifactStore:
    """Open the store of archives and journal segments."""
    _require("artifacts", url)
    from cron.backends.artifacts_folder import open_artifacts as open_folder

    return open_folder(_made(local_path(url)))


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _require(store: str, url: str) -> None:
    expected = check_url(store, url)
    if expected:
        raise SettingsError(f"store.{store} = {url!r}: expected {expected}")


def _wrong_server(url: str) -> str | None:
    parts = urlsplit(url)
    try:
        fine = bool(parts.hostname and parts.port and parts.path.strip("/"))
    except ValueError:  # a port that is no number, or over 65535
        fine = False
    return None if fine else "torchserve://HOST:MANAGEMENT_PORT/MODEL?inference=PORT"
