"""Records that could not be taken, kept with their reason: one JSON line each, bounded in size.

Knows nothing of what was wrong; the gateway, `ingest` and `collect` say so. Shared by processes.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Sequence
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
        self.add_all([(reason, raw)], source=source, at=at)

    def add_all(self, refused: Iterable[tuple[str, object]], *, source: str, at: datetime) -> None:
        """Append letters of one source, reason and `raw` of each, as `add` would one by one, with one lock and one write a file."""
        lines = [_line(source, reason, raw, at) for reason, raw in refused]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_name(self._path.name + ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            size_bytes = self._path.stat().st_size if self._path.exists() else 0
            unwritten: list[bytes] = []
            for line in lines:
                if size_bytes and size_bytes + len(line) > self._max_bytes:
                    self._write(unwritten)
                    self._path.replace(self._older)
                    size_bytes, unwritten = 0, []
                unwritten.append(line)
                size_bytes += len(line)
            self._write(unwritten)

    def newest(self, n: int) -> tuple[DeadLetter, ...]:
        """Return the newest n letters, newest last; a line cut off by a crash is left out."""
        lines = [line for file in (self._older, self._path) if file.exists() for line in file.read_text().splitlines()]
        letters = [_letter(line) for line in lines[-n:]] if n > 0 else []
        return tuple(letter for letter in letters if letter is not None)

    def _write(self, lines: Sequence[bytes]) -> None:
        with self._path.open("ab") as file:
            file.write(b"".join(lines))


def _line(source: str, reason: str, raw: object, at: datetime) -> bytes:
    return (json.dumps({"at": at.isoformat(), "source": source, "reason": reason, "raw": _shown(raw)}) + "\n").encode()


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
