"""Which texts are valid ids of users, items and events.

An id is text, taken literally, of 1 to MAX_ID_CHARS characters that are not all blank. It has no
control characters and no line breaks. Words that programs write for a missing id are refused: a
sender that leaves `undefined` in a field would turn all anonymous visitors into one user, or all
events into one event.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeGuard

from recommender.records.nobody import is_nobody

MAX_ID_CHARS = 512

# C0, DEL, C1, and Unicode's own line breaks
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# Most ids match this, which is one test instead of five. No word for a missing id has a digit.
# The lookahead stops at the first digit, so no text is read twice.
PLAIN_ID = rf"(?=[A-Za-z_:.-]*\d)[\w:.-]{{1,{MAX_ID_CHARS}}}"  # of re.ASCII
_PLAIN = re.compile(PLAIN_ID, re.ASCII)
_PLAIN_LINES = re.compile(rf"(?>{PLAIN_ID}\n)*+", re.ASCII)


def is_plain_id(value: object) -> TypeGuard[str]:
    """Return whether a value is certainly a valid id: ASCII letters, digits and a few signs."""
    return isinstance(value, str) and _PLAIN.fullmatch(value) is not None


def are_plain_ids(values: Sequence[str]) -> bool:
    """Return whether `is_plain_id` is true of all texts, at a tenth of the time."""
    lines = "\n".join([*values, ""])
    return lines.count("\n") == len(values) and _PLAIN_LINES.fullmatch(lines) is not None


def holds_control(text: str) -> bool:
    """Return whether a text holds control characters or line breaks."""
    return _CONTROL.search(text) is not None


def is_id_text(value: object) -> TypeGuard[str]:
    """Return whether a value is text of the right length that is not all blank."""
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARS and bool(value.strip())


def wrong_id(value: object) -> str | None:
    """Return what was expected if a value is not a valid id; None if it is one."""
    if not is_id_text(value):
        return f"a non-empty string of at most {MAX_ID_CHARS} characters"
    if holds_control(value):
        return "an id without control characters or line breaks"
    if is_nobody(value):
        return "an id; this word is what programs write when there is none"
    return None
