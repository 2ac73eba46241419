"""Elements of histories as the gateway writes them, read all together.

Their fields are checked column by column, which takes half the time of examining one element after
the other. Whatever is not certainly valid is left to `recommender.requests.body`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

from recommender.records.record_fields import MAX_TYPE_CHARS
from recommender.requests.body_fields import is_plain_text
from recommender.requests.wire import Element, Name

# Names that are kept, since popular items are in many histories; at most 30 MB.
NAMES_KEPT, MAX_KEPT_CHARS = 65_536, 64
MAX_RATING = 1e300
_FLOAT_OR_NONE = {float, type(None)}
# as Element(...) for one tuple, at a third of its time
_element = partial(tuple.__new__, Element)


def plain_elements(
    listed: Sequence[object], *, earliest_s: float, latest_s: float
) -> tuple[Element, ...] | None:
    """Return the elements of objects with an id and a type; None if any is to be examined.

    Ratings and times, from `earliest_s` to before `latest_s`, are floats.
    """
    if {*map(type, listed)} != {dict}:
        return None
    objects = [one for one in listed if isinstance(one, dict)]
    ids, types = _strings(objects, "id"), _strings(objects, "type")
    if len(ids) + len(types) != 2 * len(objects) or max(map(len, ids)) > MAX_KEPT_CHARS:
        return None
    ratings, times = ([one.get(name) for one in objects] for name in ("rating", "at"))
    if sum(map(len, objects)) != 4 * len(objects) - ratings.count(None) - times.count(None):
        return None
    kinds = {one: one for one in types}  # each string is held once
    names = list(map(_plain_id, ids))
    if (
        None in names
        or not all(map(_is_plain_type, kinds))
        or not _are_within(ratings, -MAX_RATING, MAX_RATING)
        or not _are_within(times, earliest_s, math.nextafter(latest_s, earliest_s))
    ):
        return None
    return tuple(map(_element, zip(names, map(kinds.get, types), ratings, times, strict=True)))


@lru_cache(maxsize=NAMES_KEPT)
def _plain_id(raw: str) -> Name | None:
    """Return the name that a plain id stands for; None for an id to be examined."""
    return Name(kind="id", value=raw) if is_plain_text(raw) else None


def _strings(objects: Sequence[Mapping[str, object]], name: str) -> list[str]:
    """Return the values of a field that are strings."""
    return [value for one in objects if isinstance(value := one.get(name), str)]


def _is_plain_type(raw: str) -> bool:
    return len(raw) <= MAX_TYPE_CHARS and is_plain_text(raw)


def _are_within(numbers: Sequence[object], low: float, high: float) -> bool:
    """Return whether all that are not None are floats between two numbers."""
    if not {*map(type, numbers)} <= _FLOAT_OR_NONE:
        return False
    return all(low <= one <= high for one in numbers if isinstance(one, float))
