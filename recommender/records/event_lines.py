"""Many events at once: check them as columns and serialise them.

The result is that of `parse_event` and `to_json`. What is not obviously a valid event is left to
them, so the rules and their messages are in `recommender.records.events` alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from recommender.records.events import MAX_RATING, parse_event
from recommender.records.ids import are_plain_ids
from recommender.records.record_fields import InvalidRecord
from recommender.records.record_times import EARLIEST, MAX_CLOCK_SKEW

_US = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_quote = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class EventColumns:
    """C events as columns. A rating of NaN means none, and times are epoch microseconds.

    Event ids are plain ids (`recommender.records.ids`); nothing else was checked.
    """

    event_ids: Sequence[str]
    user_ids: Sequence[str]
    item_ids: Sequence[str]
    types: Sequence[str]
    ratings_C: NDArray[np.float64]
    at_us_C: NDArray[np.int64]


def lines_of(
    columns: EventColumns, *, now: datetime, shift: timedelta = timedelta(0)
) -> list[str | None]:
    """Serialise events as `to_json` does, their times moved by `shift`.

    None means that an event must be parsed alone. `now` limits the times before the shift, as in
    `parse_event`.
    """
    if not columns.event_ids:
        return []
    users, items = _id_texts(columns.user_ids), _id_texts(columns.item_ids)
    of_type = {one: _type_text(one) for one in {*columns.types}}
    types = [of_type[one] for one in columns.types]
    times = _time_texts(columns.at_us_C + shift // _US)
    is_good_C = _has_good_numbers(columns, now)
    lines: list[str | None] = []
    for is_good, event_id, user, item, type_, at, rating in zip(
        is_good_C.tolist(),
        columns.event_ids,
        users,
        items,
        types,
        times,
        _rating_texts(columns.ratings_C),
        strict=True,
    ):
        if is_good and user and item and type_:
            lines.append(
                f'{{"kind":"event","event_id":"{event_id}","user_id":{user},"item_id":{item},'
                f'"type":{type_},"at":"{at}+00:00","rating":{rating}}}'
            )
        else:
            lines.append(None)
    return lines


def _has_good_numbers(columns: EventColumns, now: datetime) -> NDArray[np.bool_]:
    """Tell which events have a time and a rating that are allowed."""
    first_us, last_us = _micros(EARLIEST), _micros(now + MAX_CLOCK_SKEW)
    is_good_C = (columns.at_us_C >= first_us) & (columns.at_us_C <= last_us)
    has_rating_C = ~np.isnan(columns.ratings_C)
    is_good_C &= ~has_rating_C | (np.abs(columns.ratings_C) <= MAX_RATING)
    if "rating" in columns.types:
        is_good_C &= has_rating_C | (np.array(columns.types, dtype=object) != "rating")
    return is_good_C


def _id_texts(ids: Sequence[str]) -> list[str]:
    """Return ids as JSON; empty where an id is not valid."""
    if are_plain_ids(ids):
        return [f'"{one}"' for one in ids]
    texts = {one: _id_text(one) for one in {*ids}}
    return [texts[one] for one in ids]


def _id_text(value: str) -> str:
    return _text_if_valid(value, {"user_id": value, "type": "view"})


def _type_text(value: str) -> str:
    return _text_if_valid(value, {"user_id": "1", "type": value, "rating": 0.0})


def _text_if_valid(value: str, fields: dict[str, object]) -> str:
    """Return a value as JSON if an event with these fields is valid; else an empty text."""
    try:
        parse_event({"event_id": "1", "item_id": "1", **fields}, now=_EPOCH, new_id=str)
    except InvalidRecord:
        return ""
    return _quote(value)


def _rating_texts(ratings_C: NDArray[np.float64]) -> list[str]:
    texts = ["null"] * len(ratings_C)
    rows = np.flatnonzero(~np.isnan(ratings_C))
    for row, rating in zip(rows.tolist(), ratings_C[rows].tolist(), strict=True):
        texts[row] = repr(rating)
    return texts


def _time_texts(at_us_C: NDArray[np.int64]) -> list[str]:
    """Return times as `datetime.isoformat` does, without the zone."""
    seconds_C, fraction_us_C = np.divmod(at_us_C, 1_000_000)
    texts: list[str] = np.datetime_as_string(seconds_C.astype("datetime64[s]")).tolist()
    for row in np.flatnonzero(fraction_us_C).tolist():
        texts[row] = f"{texts[row]}.{fraction_us_C[row]:06}"
    return texts


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _US
