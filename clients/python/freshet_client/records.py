"""Events, items and facts to send, and their division into calls.

Every record has an id before it is first sent, so sending it again is harmless.
"""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from typing import Optional, Union

from freshet_client.questions import Id

# the gateway lists at most 1,000 rejected records of a call, so none goes unnamed
MAX_CALL_RECORDS = 1_000
MAX_CALL_BYTES = 8 * 1024 * 1024  # the gateway's limit is 32 MiB


def new_event_id() -> str:
    """Return a UUIDv7: the time in milliseconds and 74 random bits."""
    now_ms = time.time_ns() // 1_000_000
    bits = now_ms << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=bits))


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class Event:
    """Something that a user did to an item. It has an id and happened now, unless you say so."""

    user_id: Id
    item_id: Id
    type: str
    rating: Optional[float] = None
    value: Optional[float] = None
    currency: Optional[str] = None
    quantity: Optional[float] = None
    dwell_s: Optional[float] = None
    query: Optional[str] = None
    recommendation_id: Optional[str] = None
    at: Union[datetime, str, float] = field(default_factory=_now)
    event_id: Id = field(default_factory=new_event_id)


@dataclass(frozen=True)
class Item:
    """What is known about an item. The record with the latest `at` replaces the others."""

    item_id: Id
    title: str
    text: Optional[str] = None
    attributes: Optional[Mapping[str, Union[str, float, Sequence[str]]]] = None
    images: Optional[Sequence[str]] = None
    hidden: bool = False
    at: Union[datetime, str, float] = field(default_factory=_now)
    event_id: Id = field(default_factory=new_event_id)


@dataclass(frozen=True)
class Fact:
    """What is known about an item or another entity; `withdrawn` when it no longer holds.

    Records with the same head, relation and tail are about one fact; the latest `at` counts.
    """

    head: Id
    relation: Id
    tail: Id
    withdrawn: bool = False
    at: Union[datetime, str, float] = field(default_factory=_now)
    event_id: Id = field(default_factory=new_event_id)


Record = Union[Event, Item, Fact]


def to_json(value: object) -> bytes:
    """Return a value as JSON; raise TypeError or ValueError when it has none."""
    text = json.dumps(value, default=_plain, allow_nan=False, separators=(",", ":"))
    return text.encode("ascii")


def record_line(record: Record) -> bytes:
    """Return a record as JSON, without the fields that are None."""
    values = {one.name: getattr(record, one.name) for one in fields(record)}
    return to_json({name: value for name, value in values.items() if value is not None})


def num_in_call(records: Iterable[Record]) -> int:
    """Return how many of the first records one call takes; 0 when there are none."""
    lines = (record_line(record) for record in records)
    return len(next(chunks(lines, max_lines=MAX_CALL_RECORDS), ()))


def chunks(lines: Iterable[bytes], *, max_lines: int) -> Iterator[list[bytes]]:
    """Yield lists of at most `max_lines` lines and MAX_CALL_BYTES."""
    chunk: list[bytes] = []
    size_bytes = 0
    for line in lines:
        is_full = len(chunk) == max_lines or size_bytes + len(line) >= MAX_CALL_BYTES
        if chunk and is_full:
            yield chunk
            chunk, size_bytes = [], 0
        chunk.append(line)
        size_bytes += len(line) + 1
    if chunk:
        yield chunk


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError(
                f"{value!r} has no time zone; use an aware time such as datetime.now(timezone.utc)"
            )
        return value.isoformat()
    if isinstance(value, (Sequence, frozenset, set)):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r:.80} of type {type(value).__name__} is not a JSON value")
