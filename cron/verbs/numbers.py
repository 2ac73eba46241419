"""Numbers among the arguments of verbs; what is not one is refused before anything is done."""

from __future__ import annotations

import argparse

_MOST = 10**15  # more than there is of anything, and less than a database's numbers


def whole_number(text: str) -> int:
    """Return a whole number above 0."""
    if not text.isdecimal() or not 0 < int(text[:20]) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def number_above_0(text: str) -> float:
    """Return a finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number
