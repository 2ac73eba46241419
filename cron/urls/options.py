"""The options of a URL: those that are known, whole numbers, and ranges of them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit


def known_options(url: str, known: Sequence[str]) -> dict[str, str]:
    """Return the options of a URL; raise ValueError for one that is not known."""
    options = parse_qs(urlsplit(url).query, keep_blank_values=True)
    for name in options:
        if name not in known:
            raise ValueError(f"{name}= is not an option")
    return {name: values[-1] for name, values in options.items()}


def whole_number(option: str, text: str, *, least: int = 1) -> int:
    """Return a whole number of at least `least`; raise ValueError."""
    if not text.isdecimal() or int(text) < least:
        raise ValueError(f"{option}= is a whole number of {least} or more")
    return int(text)


def number_range(option: str, text: str) -> tuple[int, int]:
    """Return the least and the most of `2`, or of `1:4`; raise ValueError."""
    least_text, _, most_text = text.partition(":")
    least = whole_number(option, least_text)
    most = whole_number(option, most_text or least_text)
    if least > most:
        raise ValueError(f"{option}={text} has the larger number first")
    return least, most
