"""A value as a file of Java properties holds it.

Java reads such a file as Latin-1, and a backslash begins an escape.
"""

from __future__ import annotations


def escape_value(value: object) -> str:
    """Return a value that Java reads back as it is: `\\uXXXX` for each UTF-16 unit beyond ASCII."""
    text = str(value).replace("\\", "\\\\")
    letters = []
    for letter in text:
        letters.append(letter if letter.isascii() else _units(letter))
    return "".join(letters)


def _units(letter: str) -> str:
    units = letter.encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
