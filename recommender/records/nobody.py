"""Words that programs write for a missing id. None of them is a valid id of a user or item.

The readers of files reject such rows, and the gateway refuses such ids by its own rule. Case and
surrounding blanks do not matter.
"""

from __future__ import annotations

NOBODY = frozenset(
    {
        # R, Excel, pandas
        "na",
        "n/a",
        "<na>",
        "#n/a",
        "nan",
        "nat",
        # SQL, C, DBeaver, Ruby, Go, MySQL and Hive
        "null",
        "<null>",
        "(null)",
        "[null]",
        "nil",
        "<nil>",
        r"\n",
        # Python, Google Analytics
        "none",
        "(none)",
        "(not set)",
        "not set",
        # JavaScript
        "undefined",
        "[object object]",
    }
)
# These may be real ids, but many shops write them for visitors without an account. They are
# reported when they are frequent.
PERHAPS_NOBODY = frozenset(
    {"0", "-1", "unknown", "anonymous", "anon", "guest", "00000000-0000-0000-0000-000000000000"}
)


def is_nobody(text: str) -> bool:
    """Return whether a text is a word for a missing id; the empty text is not."""
    return text.strip().casefold() in NOBODY
