"""Ids of lists of recommendations: UUIDv7 (RFC 9562) that say which release made the list.

So an event that brings a list's id back can be counted for its release, and no list is stored. The
bits after the time, from the highest:

| bits | what |
|---|---|
| 4, 12 | the version of UUID (7), and random bits |
| 2, 12 | the variant, and a mark, so that ids of others are hardly ever taken for ours |
| 24 | the release's version; all ones for a list that no release made, such as a fallback |
| 26 | random bits |
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

_MARK = 0b1011_0010_1101
_NO_RELEASE = (1 << 24) - 1
_TEXT_CHARS = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeList:
    """What a list's id says: the release that made it, and when, in milliseconds since 1970."""

    version: int
    at_ms: int


def draw_list_id(version: int | None) -> str:
    """Return a new id for a list that a release made, or that no release made (None)."""
    if version is None or not 0 <= version < _NO_RELEASE:
        version = _NO_RELEASE
    random = secrets.randbits(38)
    tail = 0b10 << 62 | _MARK << 50 | version << 26 | random & (1 << 26) - 1
    number = (time.time_ns() // 1_000_000) << 80 | 7 << 76 | random >> 26 << 64 | tail
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def read_list_id(text: str) -> MadeList | None:
    """Return what an id of ours says; None for another id, and for a list of no release."""
    try:
        number = int(text.replace("-", ""), 16) if len(text) == _TEXT_CHARS else 0
    except ValueError:
        return None
    is_ours = number >> 76 & 0xF == 7 and number >> 50 & 0x3FFF == 0b10 << 12 | _MARK
    version = number >> 26 & 0xFFFFFF
    if not is_ours or version == _NO_RELEASE:
        return None
    return MadeList(version=version, at_ms=number >> 80)
