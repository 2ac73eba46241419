"""Accepted texts with their briefs, as lines of JSON: what a writer is tuned on.

{"brief": {"kind": "reason_line", "items": [...], "language": "en", "max_chars": 120},
 "text": "Silver Road is a drama, like Winter Harbour."}
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from copywriter.brief import Brief
from copywriter.writing.writer import WriterError


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedText:
    """A brief, and a text that is right for it."""

    brief: Brief
    text: str


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(AcceptedText)


def write_accepted(path: Path, texts: Iterable[AcceptedText]) -> None:
    """Write texts, one a line."""
    path.write_bytes(b"".join(_ENCODER.encode(one) + b"\n" for one in texts))


def read_accepted(path: Path) -> Sequence[AcceptedText]:
    """Read texts; raise WriterError naming the line that is none. Empty lines are skipped."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise WriterError(f"{path}: can't read the accepted texts ({error.strerror})") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(_DECODER.decode(line))
        except msgspec.MsgspecError as error:
            raise WriterError(
                f"{path}, line {number}: {error}; each line is a JSON object with `brief` and "
                "`text`, as docs/copy.md shows"
            ) from error
    return found
