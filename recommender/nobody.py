"""The words that programs write where an id is missing. None of them is the id of a user or an item.

Every door uses this one list: the readers of files reject such rows, and the gateway has its own
rule for them. Case and surrounding blanks do not matter.
"""

from __future__ import annotations

NOBODY = frozenset(
    {
        *("na", "n/a", "<na>", "#n/a", "nan", "nat"),  # R, Excel, pandas
        *(
            "null",
            "<null>",
            "(null)",
            "[null]",
            "nil",
            "<nil>",
            r"\n",
        ),  # SQL, C, DBeaver, Ruby, Go, MySQL and Hive
        *("none", "(none)", "(not set)", "not set"),  # Python, Google Analytics
        *("undefined", "[object object]"),  # JavaScript
    }
)
# Ids that may be real: many shops write them for visitors without an account. They are reported
# where they are frequent.
PERHAPS_NOBODY = frozenset(
    {"0", "-1", "unknown", "anonymous", "anon", "guest", "00000000-0000-0000-0000-000000000000"}
)


def is_nobody(text: str) -> bool:
    """Tell whether a text is a word for a missing id; the empty text is not."""
    return text.strip().casefold() in NOBODY
