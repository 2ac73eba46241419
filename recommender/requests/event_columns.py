"""Histories as the gateway sends them, in columns: ids, types, ratings and times.

Each column is checked as a whole, which takes a fraction of the time of examining one element after
the other. Elements that are objects with the same fields are brought into that form. Whatever is
not certainly valid is left to `recommender.requests.body`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from recommender.records.record_fields import MAX_TYPE_CHARS
from recommender.requests.body_fields import is_plain_text
from recommender.requests.wire import History, NameKind

MAX_PLAIN_CHARS = 64  # of an id
MAX_PLAIN_RATING = 1e300
EVENT_FIELDS = ("id", "type", "rating", "at")  # of an element that is an event
_BY_ID: tuple[NameKind, ...] = ("id",)


def plain_columns(
    columns: Mapping[str, Sequence[object]], *, earliest_s: float, latest_s: float
) -> History | None:
    """Return the history in these equally long columns; None if a value needs a closer check.

    `rating` and `at` may be missing. Ratings and times, from `earliest_s` to before `latest_s`, are
    floats or None.
    """
    ids, types = columns["id"], columns["type"]
    nothing: Sequence[object] = [None] * len(ids)
    ratings, times = columns.get("rating", nothing), columns.get("at", nothing)
    if (
        not _are_plain_ids(ids)
        or not _are_plain_types(types)
        or not _are_within(ratings, -MAX_PLAIN_RATING, MAX_PLAIN_RATING)
        or not _are_within(times, earliest_s, math.nextafter(latest_s, earliest_s))
    ):
        return None
    return History(
        kinds=_BY_ID * len(ids),
        names=tuple(ids),
        types=tuple(types),
        ratings=tuple(ratings),
        at_s=tuple(times),
    )


def columns_of_objects(listed: Sequence[object]) -> Mapping[str, Sequence[object]] | None:
    """Return the fields of elements as columns; None unless each is an object of plain fields."""
    if {*map(type, listed)} != {dict}:
        return None
    objects = [one for one in listed if isinstance(one, dict)]
    columns = {name: [one.get(name) for one in objects] for name in EVENT_FIELDS}
    num_given = sum(len(values) - values.count(None) for values in columns.values())
    return columns if sum(map(len, objects)) == num_given else None


def _are_plain_ids(values: Sequence[object]) -> TypeGuard[Sequence[str]]:
    if not _are_strings(values):
        return False
    longest = max(map(len, values))
    return longest <= MAX_PLAIN_CHARS and "".join(values).isascii() and all(map(str.strip, values))


def _are_plain_types(values: Sequence[object]) -> TypeGuard[Sequence[str]]:
    if not _are_strings(values):
        return False
    return all(len(one) <= MAX_TYPE_CHARS and is_plain_text(one) for one in {*values})


def _are_strings(values: Sequence[object]) -> TypeGuard[Sequence[str]]:
    return {*map(type, values)} == {str}


def _are_within(
    numbers: Sequence[object], low: float, high: float
) -> TypeGuard[Sequence[float | None]]:
    """Return whether all that are not None are floats between two numbers."""
    given = [one for one in numbers if isinstance(one, float)]
    if len(given) + numbers.count(None) < len(numbers):
        return False
    # the sum is NaN if one of them is, which the extremes may not show
    return not given or (math.isfinite(sum(given)) and low <= min(given) and max(given) <= high)
