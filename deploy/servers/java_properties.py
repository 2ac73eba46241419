"""A value as a file of Java properties holds it. Java reads such a file as Latin-1, and takes a backslash for the beginning of an escape.

Knows the notation of `java.util.Properties`; does not know what the values are for.
"""

from __future__ import annotations


def escaped(value: object) -> str:
    """Return a value that Java reads back as it is: `\\uXXXX` for each UTF-16 unit beyond ASCII."""
    text = str(value).replace("\\", "\\\\")
    return "".join(one if one.isascii() else _units(one) for one in text)


def _units(letter: str) -> str:
    units = letter.encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
