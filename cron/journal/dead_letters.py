"""Dead letters: rejected records with their reasons, as JSON lines in files of bounded size.

Several processes may write them. A letter that can't be written is logged, and the writer continues
with the valid records.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import FileIO
from pathlib import Path

from cron.local.disk_errors import translate_os_errors
from trainer.machine.durable_files import replace_text
from trainer.machine.file_lock import file_lock

# With one older file of this size, at most 32 MiB on disk, or some 50,000 records.
MAX_FILE_BYTES = 16 << 20
MAX_RAW_CHARS = 8192  # enough to see what was sent


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One rejected record; `raw` is its JSON, cut at MAX_RAW_CHARS."""

    source: str
    reason: str
    raw: str
    at: datetime


class DeadLetters:
    """An append-only file of dead letters; a full file becomes `NAME.1`, replacing the last."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> None:
        self._path = path
        self._older = path.with_name(path.name + ".1")
        self._lock = path.with_name(path.name + ".lock")
        self._max_bytes = max_bytes

    def add(self, *, source: str, reason: str, raw: object, at: datetime) -> bool:
        """Append one letter and return whether it was written; `raw` may be any value.

        A written letter survives a crash of this process.
        """
        return self.add_all([(reason, raw)], source=source, at=at)

    def add_all(self, refused: Iterable[tuple[str, object]], *, source: str, at: datetime) -> bool:
        """Append the reasons and raw values of one source; return whether all were written."""
        letters = list(refused)
        try:
            self._append([_line(source, reason, raw, at) for reason, raw in letters])
        except OSError as error:
            first = letters[0][0] if letters else ""
            details = {
                "num_letters": len(letters),
                "source": source,
                "first_reason": first,
                "path": str(self._path),
                "why": str(error),
            }
            log.warning("dead letters not written", extra=details)
            return False
        return True

    def _append(self, lines: Sequence[bytes]) -> None:
        with file_lock(self._lock):
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

    def drop(self, is_unwanted: Callable[[DeadLetter], bool]) -> int:
        """Delete letters and return their number; raise Unavailable if a file can't be read.

        Lines that a crash cut off are deleted too.
        """
        with translate_os_errors("the dead letters", self._path):
            return self._drop(is_unwanted)

    def newest(self, n: int) -> tuple[DeadLetter, ...]:
        """Return the newest n letters, newest last.

        Lines that a crash cut off and files that can't be read are left out.
        """
        lines = [line for file in (self._older, self._path) for line in _readable_lines(file)]
        letters = [_letter(line) for line in lines[-n:]] if n > 0 else []
        return tuple(letter for letter in letters if letter is not None)

    def _drop(self, is_unwanted: Callable[[DeadLetter], bool]) -> int:
        num_dropped = 0
        with file_lock(self._lock):
            for file in (self._older, self._path):
                lines = _lines_of(file)
                kept = [
                    line
                    for line in lines
                    if (letter := _letter(line)) is not None and not is_unwanted(letter)
                ]
                if len(kept) < len(lines):
                    replace_text(file, "".join(f"{line}\n" for line in kept))
                    num_dropped += len(lines) - len(kept)
        return num_dropped

    def _write(self, lines: Sequence[bytes]) -> None:
        """Append all lines or none: a write that a full disk cut short is undone."""
        with self._path.open("a+b", buffering=0) as file:
            size_bytes = file.seek(0, os.SEEK_END)
            content = b"".join(lines)
            if _ends_torn(file, size_bytes):
                content = b"\n" + content  # keep a line that a crash cut off separate
            try:
                _write_all(file, content)
            except OSError:
                file.truncate(size_bytes)
                raise


def _line(source: str, reason: str, raw: object, at: datetime) -> bytes:
    return (
        json.dumps(
            {"at": at.isoformat(), "source": source, "reason": reason, "raw": _raw_text(raw)}
        )
        + "\n"
    ).encode()


def _letter(line: str) -> DeadLetter | None:
    try:
        one = json.loads(line)
        return DeadLetter(
            source=one["source"],
            reason=one["reason"],
            raw=one["raw"],
            at=datetime.fromisoformat(one["at"]),
        )
    except (ValueError, KeyError, TypeError):  # the end of a cut line may still be JSON
        return None


def _lines_of(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace", encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def _readable_lines(file: Path) -> list[str]:
    try:
        return _lines_of(file)
    except OSError as error:
        log.warning("dead letters not read", extra={"path": str(file), "why": str(error)})
        return []


def _ends_torn(file: FileIO, size_bytes: int) -> bool:
    if size_bytes == 0:
        return False
    file.seek(size_bytes - 1)
    return file.read(1) != b"\n"


def _write_all(file: FileIO, content: bytes) -> None:
    """Write all bytes.

    On a disk that fills up, one call may write only some of them, and the next one raises.
    """
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def _raw_text(raw: object) -> str:
    """Return a text unchanged, and any other value as JSON if it has any."""
    try:
        text = raw if isinstance(raw, str) else json.dumps(raw, default=repr, skipkeys=True)
    except (ValueError, RecursionError):  # a number of thousands of digits, or a cycle
        text = f"a {type(raw).__name__} that JSON can't represent"
    return text if len(text) <= MAX_RAW_CHARS else text[:MAX_RAW_CHARS] + "…"
