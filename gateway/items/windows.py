"""Windows of time as a query names them: `6h` or `7d`."""

from __future__ import annotations

import re
from datetime import timedelta

from cron.item_counts import MAX_HOURLY_WINDOW
from gateway.errors import BadQuery
from recommender.records.excerpt import excerpt

_WINDOW = re.compile(r"([1-9][0-9]?)([hd])")
_MAX_HOURS = MAX_HOURLY_WINDOW // timedelta(hours=1)


def parse_window(text: str, *, longest: timedelta) -> timedelta:
    """Return the length of a window; raise BadQuery."""
    found = _WINDOW.fullmatch(text)
    if found is not None:
        number = int(found[1])
        window = timedelta(hours=number) if found[2] == "h" else timedelta(days=number)
        if window <= (MAX_HOURLY_WINDOW if found[2] == "h" else longest):
            return window
    raise BadQuery(
        "window",
        f"window: found {excerpt(text)}, expected 1h to {_MAX_HOURS}h, or 1d to {longest.days}d",
    )
