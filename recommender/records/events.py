"""Event, Item and Fact, together Record: parse, validate, serialise. The only input format.

Facts are in `recommender.records.facts`. A log holds slates too (`recommender.records.slates`),
which no client sends.

Rules for all records:
* `at` is ISO 8601 (no zone means UTC, a date alone is midnight UTC) or epoch seconds as a number or
  a string of digits. A time before 1990 is refused (an unset clock), and so is one more than five
  minutes in the future (milliseconds given as seconds, or a wrong clock).
* Ids are strings and are taken literally. A whole number means its decimal string, so 17 and "17"
  are the same id. `recommender.records.ids` says which strings are not ids: overlong ones, ones
  with control characters, "null" and similar words.
* Ratings, values, quantities and numeric attributes are numbers. "4" is refused, since a sender of
  strings may send "4,5" next.
* Unknown fields are refused, so that a misspelt `ratng` is noticed.
* Anything that some store can't hold is refused: NUL characters, lone surrogates, an item larger
  than 256 KiB.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from recommender.records.event_details import DETAILS, EventDetails, given_details, parse_details
from recommender.records.facts import FACT_FIELDS, FACT_TEXTS, Fact, fact_json, fact_of
from recommender.records.ids import wrong_id
from recommender.records.images import INLINE, named_images, read_images
from recommender.records.record_fields import (
    MAX_TYPE_CHARS,
    InvalidRecord,
    encodable,
    id_field,
    is_finite,
    number_field,
    object_of,
    text_field,
)
from recommender.records.record_times import parse_time, stored_time
from recommender.records.slates import SLATE_FIELDS, Slate, slate_json, slate_of

MAX_RECORD_BYTES = 256 * 1024
# Answers and the list of popular items contain titles: 1,000 titles of this size still fit into an
# answer of 16 MB.
MAX_TITLE_CHARS = 2_000
MAX_RATING = 1e6  # beyond any real scale, and sums of such ratings stay finite

AttributeValue = str | float | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One action of one user on one item.

    `rating` is on the data's own scale. `at` is aware UTC.
    """

    event_id: str
    user_id: str
    item_id: str
    type: str
    at: datetime
    rating: float | None = None
    details: EventDetails | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """The description of one item. `hidden` items are never recommended.

    The record with the greatest (at, event_id) wins. A `deleted` item is hidden too, and cannot be
    read; only the gateway's DELETE makes such a record.
    """

    event_id: str
    item_id: str
    title: str
    at: datetime
    text: str | None = None
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    images: tuple[str, ...] = ()  # as `recommender.records.images` names them, the main one first
    hidden: bool = False
    deleted: bool = False


Description = Item | Fact  # what describes items
Record = Event | Description
LogRecord = Record | Slate  # what an event log holds


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLines:
    """Valid events as columns, as a log stores them; `lines` are what `to_json` returns.

    Millions of records as objects would keep the garbage collector busy.
    """

    event_ids: Sequence[str]
    user_ids: Sequence[str]
    lines: Sequence[str]


# `json.dumps` would make an encoder for every record, which takes as long as the encoding.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_quote = json.encoder.encode_basestring  # as `_encode` quotes a text
_DETAILS = frozenset(DETAILS)
_EVENT_FIELDS = _DETAILS | {"event_id", "user_id", "item_id", "type", "rating", "at"}
_ITEM_FIELDS = frozenset(Item.__dataclass_fields__)
_ID_FIELDS = frozenset({"event_id", "user_id", "item_id", *FACT_TEXTS})
# By kind: the fields, and the text fields that a stored record must have.
_STORED: Mapping[str, tuple[frozenset[str], tuple[str, ...]]] = {
    "event": (_EVENT_FIELDS, ("event_id", "user_id", "item_id", "type")),
    "item": (_ITEM_FIELDS, ("event_id", "item_id", "title")),
    "fact": (FACT_FIELDS, FACT_TEXTS),
    "slate": (SLATE_FIELDS, ("event_id",)),
}


def parse_event(raw: object, *, now: datetime, new_id: Callable[[], str]) -> Event:
    """Parse an event from JSON values; raise InvalidRecord.

    A missing `event_id` comes from `new_id`; a missing `at` is `now`.
    """
    fields = object_of(raw, _EVENT_FIELDS)
    type_ = text_field(fields, "type", limit=MAX_TYPE_CHARS)
    rating = number_field(fields, "rating", least=-MAX_RATING, most=MAX_RATING)
    if type_ == "rating" and rating is None:
        raise InvalidRecord("rating", found=None, expected='a number, because "type" is "rating"')
    if type_ == "search" and fields.get("item_id") is None:
        raise InvalidRecord(
            "item_id",
            problem="a search without an item",
            expected='the item that the user then chose, with the search as its "query"',
        )
    return Event(
        event_id=id_field(fields, "event_id") if fields.get("event_id") is not None else new_id(),
        user_id=id_field(fields, "user_id"),
        item_id=id_field(fields, "item_id"),
        type=type_,
        at=parse_time(fields["at"], now=now) if fields.get("at") is not None else now,
        rating=rating,
        details=None if _DETAILS.isdisjoint(fields) else parse_details(fields),
    )


def parse_item(raw: object, *, now: datetime, new_id: Callable[[], str]) -> Item:
    """Parse an item from JSON values; raise InvalidRecord. Defaults are those of events."""
    fields = object_of(raw, _ITEM_FIELDS - {"deleted"})
    text = fields.get("text")
    if text is not None and not isinstance(text, str):
        raise InvalidRecord("text", found=text, expected="a string or null")
    hidden = fields.get("hidden", False)
    if not isinstance(hidden, bool):
        raise InvalidRecord("hidden", found=hidden, expected="true or false")
    item = Item(
        event_id=id_field(fields, "event_id") if fields.get("event_id") is not None else new_id(),
        item_id=id_field(fields, "item_id"),
        title=text_field(fields, "title", limit=MAX_TITLE_CHARS),
        text=encodable("text", text) if text is not None else None,
        attributes=_attributes(fields.get("attributes")),
        images=read_images(fields.get("images")),
        hidden=hidden,
        at=parse_time(fields["at"], now=now) if fields.get("at") is not None else now,
    )
    size_bytes = len(to_json(item).encode())
    if size_bytes > MAX_RECORD_BYTES:
        raise InvalidRecord(
            "record",
            problem=f"{size_bytes:,} bytes",
            expected=f"at most {MAX_RECORD_BYTES:,} bytes",
        )
    return item


def to_json(record: LogRecord) -> str:
    """Serialise a record to one line of JSON; `from_json` reads it back equal."""
    if isinstance(record, Event):
        return _event_json(record)
    if isinstance(record, Slate):
        return slate_json(record)
    if isinstance(record, Fact):
        return fact_json(record)
    values: dict[str, object] = {"kind": "item"}
    values |= {name: getattr(record, name) for name in record.__dataclass_fields__}
    values |= {"at": record.at.isoformat(), "attributes": dict(record.attributes)}
    # so that an earlier release reads the records of all others
    if not record.deleted:
        del values["deleted"]
    if not record.images:
        del values["images"]
    return _encode(values)


def without_picture_bytes(item: Item) -> Item:
    """Return the item with names in place of the pictures that came in its record."""
    if not any(image.startswith(INLINE) for image in item.images):
        return item
    return replace(item, images=named_images(item.images))


def descriptions_of(records: Iterable[Record]) -> list[Description]:
    """Return the items, without the bytes of pictures, and the facts among records."""
    found: list[Description] = []
    for record in records:
        if isinstance(record, Item):
            found.append(without_picture_bytes(record))
        elif isinstance(record, Fact):
            found.append(record)
    return found


def _event_json(event: Event) -> str:
    """Serialise an event as `_encode` would a dict of its fields, in a third of the time."""
    rating = "null" if event.rating is None else _encode(event.rating)
    return event_line(
        event.event_id,
        event.user_id,
        event.item_id,
        event.type,
        event.at.isoformat(),
        rating + details_json(event.details),
    )


def event_line(event_id: str, user_id: str, item_id: str, type_: str, at: str, numbers: str) -> str:
    """Return the line of an event. `numbers` is its rating as JSON, with its details after it."""
    return (
        f'{{"kind":"event","event_id":{_quote(event_id)},"user_id":{_quote(user_id)},'
        f'"item_id":{_quote(item_id)},"type":{_quote(type_)},"at":"{at}","rating":{numbers}}}'
    )


def details_json(details: EventDetails | None) -> str:
    """Return the details that follow the rating in the line of an event."""
    given = given_details(details)
    return "".join(f',"{name}":{_encode(value)}' for name, value in given.items())


def from_json(line: str) -> LogRecord:
    """Read what `to_json` wrote; raise InvalidRecord for anything else.

    Fields, types, ids, size and storable text are checked. The rules about time are not checked
    again: they were applied when the record was accepted.
    """
    if 4 * len(line) > MAX_RECORD_BYTES and len(line.encode(errors="replace")) > MAX_RECORD_BYTES:
        raise InvalidRecord(
            "record", problem="a larger record", expected=f"at most {MAX_RECORD_BYTES:,} bytes"
        )
    try:
        values = json.loads(line)
    except RecursionError as error:
        raise InvalidRecord(
            "record", problem="deep nesting", expected="a flat JSON object"
        ) from error
    except ValueError as error:
        raise InvalidRecord(
            "record", found=line[:MAX_TYPE_CHARS], expected=f"JSON ({error})"
        ) from error
    kind = values.pop("kind", None) if isinstance(values, dict) else None
    if not isinstance(kind, str) or kind not in _STORED:
        expected = 'a JSON object whose kind is "event", "item", "fact" or "slate"'
        raise InvalidRecord(
            "kind", found=kind if isinstance(values, dict) else values, expected=expected
        )
    known, texts = _STORED[kind]
    _check_stored(values, known, texts)
    if "\\u" in line:  # only such an escape can produce a NUL or a lone surrogate
        for name in texts:
            encodable(name, str(values[name]))
    if kind == "slate":
        return slate_of(values, at=_at_of(values))
    if kind == "fact":
        return fact_of(values, at=_at_of(values))
    return _stored_event(values) if kind == "event" else _stored_item(values)


def _stored_event(values: dict[str, object]) -> Event:
    rating = values.get("rating")
    if rating is not None and not is_finite(rating):
        raise InvalidRecord("rating", found=rating, expected="a finite number or null")
    values["rating"] = None if rating is None else float(rating)
    if not _DETAILS.isdisjoint(values):
        values["details"] = parse_details(values)
        values = {name: value for name, value in values.items() if name not in _DETAILS}
    return Event(**values)  # type: ignore[arg-type]  # checked above


def _stored_item(values: dict[str, object]) -> Item:
    text = values.get("text")
    if text is not None and not isinstance(text, str):
        raise InvalidRecord("text", found=text, expected="a string or null")
    encodable("text", text or "")
    for name in ("hidden", "deleted"):
        if not isinstance(flag := values.get(name, False), bool):
            raise InvalidRecord(name, found=flag, expected="true or false")
    values["attributes"] = _attributes(values.get("attributes"))
    values["images"] = read_images(values.get("images"))
    return Item(**values)  # type: ignore[arg-type]  # checked above


def _check_stored(values: dict[str, object], known: frozenset[str], texts: tuple[str, ...]) -> None:
    """Check the fields and the required texts, and convert `at`."""
    if not values.keys() <= known:
        raise InvalidRecord(
            min(values.keys() - known),
            problem="an unknown field",
            expected=f"one of {', '.join(sorted(known))}",
        )
    for name in texts:
        value = values.get(name)
        if not isinstance(value, str) or not value:
            raise InvalidRecord(name, found=value, expected="a non-empty string")
        expected = wrong_id(value) if name in _ID_FIELDS else None
        if expected is not None:
            raise InvalidRecord(name, found=value, expected=expected)
    values["at"] = stored_time(values.get("at"))


def _at_of(values: Mapping[str, object]) -> datetime:
    at = values["at"]
    assert isinstance(at, datetime)  # `_check_stored` converted it
    return at


def _attributes(raw: object) -> dict[str, AttributeValue]:
    if raw is None:
        return {}
    expected = "an object whose values are strings, numbers or lists of strings"
    if not isinstance(raw, dict):
        raise InvalidRecord("attributes", found=raw, expected=expected)
    attributes: dict[str, AttributeValue] = {}
    for key, value in raw.items():
        name = f"attributes.{key}"
        encodable(name, str(key))
        if isinstance(value, str):
            attributes[key] = encodable(name, value)
        elif is_finite(value):
            attributes[key] = float(value)
        elif isinstance(value, list) and all(isinstance(part, str) for part in value):
            attributes[key] = tuple(encodable(name, part) for part in value)
        else:
            raise InvalidRecord(name, found=value, expected=expected)
    return attributes
