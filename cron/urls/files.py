"""Paths on this machine: `sqlite:///PATH` and `file:///PATH`.

They follow SQLAlchemy's rule: three slashes start at the project's root
(`sqlite:///var/events.db`), four are absolute (`sqlite:////srv/freshet/events.db`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cron.project_root import PROJECT_ROOT
from cron.urls.wrong_url import WrongUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUrl:
    """An absolute path."""

    path: Path


def parse(url: str) -> FileUrl:
    """Parse a URL; raise WrongUrl."""
    scheme = url.partition(":")[0]
    try:
        parts = urlsplit(url)
    except ValueError as error:  # brackets without an address
        raise WrongUrl(url, expected=_accepted_forms(scheme), reason=str(error)) from error
    if parts.netloc:
        reason = f"{parts.netloc!r} is a host; write one more slash"
        raise WrongUrl(url, expected=_accepted_forms(scheme), reason=reason)
    if not parts.path.strip("/"):
        raise WrongUrl(url, expected=_accepted_forms(scheme), reason="there is no path")
    return FileUrl(path=PROJECT_ROOT / parts.path.removeprefix("/"))


def _accepted_forms(scheme: str) -> str:
    return (
        f"{scheme}:///PATH from the project's root, or {scheme}:////PATH from the root of the disk"
    )
