"""How a value is shown in a message: short, on one line, and safe for logs and terminals.

Error messages quote values that clients and files bring, which may be of any length and content.
"""

from __future__ import annotations

import json

MAX_CHARS = 80


def excerpt(value: object) -> str:
    """Return a value as at most 80 characters of ASCII: a string in quotes, or JSON."""
    if isinstance(value, str):
        return shorten(ascii(value[:MAX_CHARS]))
    try:
        return shorten(json.dumps(value, default=repr, skipkeys=True))
    except (ValueError, RecursionError):  # a number of thousands of digits, or endless nesting
        return f"a value of type {type(value).__name__} that is too large to show"


def shorten(text: str, max_chars: int = MAX_CHARS) -> str:
    """Return a text, cut so that it has at most `max_chars` characters with `...` at its end."""
    return text if len(text) <= max_chars else text[: max_chars - 3] + "..."
