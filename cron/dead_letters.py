"""Records that could not be taken, kept with their reason: one JSON line each, bounded in size.

Knows nothing of what was wrong; the gateway, `ingest` and `collect` say so. Shared by processes.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

MAX_FILE_BYTES = 16 << 20  # with one older file of this size: 32 MiB on disk at most, some 50,000 records
MAX_RAW_CHARS = 8192  # enough to see what was sent; a bad megabyte need not be kept whole


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One refused record: where it came from, why it was refused, its JSON (cut at MAX_RAW_CHARS), when."""

    source: str
    reason: str
    raw: str
    at: datetime


class DeadLetters:
    """An append-only file of dead letters; the full file becomes `NAME.1`, replacing the one before."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> None:
        self._path = path
        self._older = path.with_name(path.name + ".1")
        self._max_bytes = max_bytes

    def add(self, *, source: str, reason: str, raw: object, at: datetime) -> None:
        """Append one letter durably enough to survive our own death; `raw` is whatever was found."""
        line = json.dumps({"at": at.isoformat(), "source": source, "reason": reason, "raw": _shown(raw)}) + "\n"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_name(self._path.name + ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._path.exists() and self._path.stat().st_size + len(line) > self._max_bytes:
                self._path.replace(self._older)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(descriptor, line.encode())
            finally:
                os.close(descriptor)

    def newest(self, n: int) -> tuple[DeadLetter, ...]:
        """Return the newest n letters, newest last; a line cut off by a crash is left out."""
        lines = [line for file in (self._older, self._path) if file.exists() for line in file.read_text().splitlines()]
        letters = [_letter(line) for line in lines[-n:]] if n > 0 else []
        return tuple(letter for letter in letters if letter is not None)


def _letter(line: str) -> DeadLetter | None:
    try:
        one = json.loads(line)
    except ValueError:
        return None
    return DeadLetter(source=one["source"], reason=one["reason"], raw=one["raw"], at=datetime.fromisoformat(one["at"]))


def _shown(raw: object) -> str:
    """Return JSON where the value has any; text that is no JSON stays as it is."""
    try:
        shown = raw if isinstance(raw, str) else json.dumps(raw, default=repr, skipkeys=True)
    except (ValueError, RecursionError):  # a number of thousands of digits, an endless nest
        shown = f"a {type(raw).__name__} that JSON can't hold"
    return shown if len(shown) <= MAX_RAW_CHARS else shown[:MAX_RAW_CHARS] + "…"
