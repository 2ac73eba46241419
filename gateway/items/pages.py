"""Pages of lists: the cursor of a next page is the place where the page before it ended."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import TypeVar

from pydantic import ValidationError

from cron.epoch import micros, moment
from gateway.bodies.codec import codec_of
from gateway.errors import BadQuery
from recommender.records.excerpt import excerpt

Place = TypeVar("Place")


def cursor_after_id(item_id: str) -> str:
    """Return the cursor of the page after an id."""
    return _encode((item_id,))


def cursor_before(at: datetime, one_id: str) -> str:
    """Return the cursor of the page of what is older than this."""
    return _encode((micros(at), one_id))


def read_id(cursor: str | None) -> str:
    """Return the id after which a page begins, "" for the first page; raise BadQuery."""
    return "" if cursor is None else _decode(cursor, tuple[str])[0]


def read_time_and_id(cursor: str | None) -> tuple[datetime, str] | None:
    """Return the time and the id before which a page begins; None for the first; raise BadQuery."""
    if cursor is None:
        return None
    at_us, one_id = _decode(cursor, tuple[int, str])
    try:
        return moment(at_us), one_id
    except OverflowError as error:
        raise _wrong(cursor) from error


def _encode(place: tuple[int | str, ...]) -> str:
    content = codec_of(tuple[int | str, ...]).dump_json(place)
    return urlsafe_b64encode(content).decode().rstrip("=")


def _decode(cursor: str, place_type: type[Place]) -> Place:
    try:
        content = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return codec_of(place_type).validate_json(content, strict=True)
    except (ValueError, ValidationError) as error:
        raise _wrong(cursor) from error


def _wrong(cursor: str) -> BadQuery:
    return BadQuery(
        "cursor", f"cursor: found {excerpt(cursor)}, expected the next_cursor of another page"
    )
