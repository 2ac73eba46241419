"""How the verbs print things: tables, counts, ages, sparklines, JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

_BARS = "▁▂▃▄▅▆▇█"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns under a header; the last column is not padded."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    )
    return "\n".join(lines)


def sparkline(values: Sequence[float], *, width: int = 40) -> str:
    """Return the newest `width` values as bars that span their range.

    Equal values are bars of medium height.
    """
    values = values[-width:]
    if not values:
        return ""
    low, high = min(values), max(values)
    if high == low:
        return _BARS[3] * len(values)
    return "".join(
        _BARS[round((value - low) / (high - low) * (len(_BARS) - 1))] for value in values
    )


def count(num: int, noun: str) -> str:
    """Return a number with its noun: 1 event, 2,000 events."""
    return f"{num:,} {noun}" if num == 1 else f"{num:,} {noun}s"


def age(span: timedelta) -> str:
    """Return a span in at most its two greatest units: 42 s, 5 min, 3 h 20 min, 2 d 4 h."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def clock(at: datetime | None) -> str:
    """Return a UTC time to the second; a dash for None."""
    return "–" if at is None else at.strftime("%Y-%m-%d %H:%M:%S")


def number(value: float | None, *, digits: int = 3) -> str:
    """Return a number with a fixed number of digits; a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}"


def show_json(value: object) -> None:
    """Print a value as JSON for other programs."""
    print(json.dumps(value, ensure_ascii=False, indent=1))
