"""Fields of a request's body: checked against the limits and converted, or refused."""

from __future__ import annotations

import math
from collections.abc import Mapping

from recommender.records.excerpt import excerpt, shorten
from recommender.records.ids import MAX_ID_CHARS
from recommender.requests.wire import (
    MAX_CANDIDATES,
    MAX_FILTERS,
    MAX_K,
    MAX_TEXT_CHARS,
    BadRequest,
    FilterValue,
    Name,
)


def read_name(raw: object, where: str) -> Name:
    """Parse the name of one item: a string, a whole number (an id), `{"id"}` or `{"text"}`."""
    if isinstance(raw, str):
        return Name(kind="any", value=read_text(raw, where))
    if isinstance(raw, int) and not isinstance(raw, bool):
        return Name(kind="id", value=read_id(raw, where))
    if not isinstance(raw, dict):
        raise BadRequest(where, found=describe(raw), expected='a string, {"id": …} or {"text": …}')
    expect_known_fields(raw, {"id", "text"}, where=where)
    if len(raw) != 1:
        raise BadRequest(
            where,
            found=" and ".join(sorted(raw)) or "neither",
            expected='exactly one of "id" and "text"',
        )
    if "id" in raw:
        return Name(kind="id", value=read_id(raw["id"], f"{where}.id"))
    return Name(kind="text", value=read_text(raw["text"], f"{where}.text"))


def is_plain_text(raw: str) -> bool:
    """Return whether a string is certainly a valid text: not blank, ASCII, not too long."""
    return raw.isascii() and len(raw) <= MAX_TEXT_CHARS and bool(raw.strip())


def read_id(raw: object, where: str) -> str:
    # str() raises for a number of thousands of digits.
    if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < 10**MAX_ID_CHARS:
        return str(raw)
    if not isinstance(raw, str) or not raw.strip() or len(raw) > MAX_ID_CHARS:
        raise BadRequest(
            where,
            found=describe(raw),
            expected=f"an id: a non-empty string of at most {MAX_ID_CHARS} characters, "
            "or a whole number",
        )
    return _encodable(raw, where)


def read_text(raw: object, where: str, *, limit: int = MAX_TEXT_CHARS) -> str:
    """Parse a text that is not blank; raise BadRequest."""
    if not isinstance(raw, str) or not raw.strip():
        raise BadRequest(where, found=describe(raw), expected="a non-empty string")
    if len(raw) > limit:
        raise BadRequest(
            where, found=f"{len(raw)} characters", expected=f"at most {limit} characters"
        )
    return _encodable(raw, where)


def _encodable(value: str, where: str) -> str:
    """Return the text unchanged; refuse lone surrogates, which no tokenizer can encode."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise BadRequest(
                where, found=describe(value), expected="valid Unicode (no lone surrogates)"
            ) from error
    return value


def read_count(raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or not 1 <= raw <= MAX_K:
        raise BadRequest("k", found=describe(raw), expected=f"a whole number from 1 to {MAX_K}")
    return raw


def read_filter(raw: object, where: str = "filter") -> dict[str, FilterValue]:
    if not isinstance(raw, dict) or len(raw) > MAX_FILTERS:
        raise BadRequest(
            where, found=describe(raw), expected=f"an object of at most {MAX_FILTERS} attributes"
        )
    return {
        read_text(name, where): read_filter_value(value, f"{where}.{field_name(name)}")
        for name, value in raw.items()
    }


def read_filter_value(raw: object, where: str) -> FilterValue:
    """Parse what an attribute may equal: a text, a number or a list of texts; raise BadRequest."""
    if isinstance(raw, str):
        return _encodable(raw, where)
    if (
        isinstance(raw, list)
        and raw
        and len(raw) <= MAX_CANDIDATES
        and all(isinstance(part, str) for part in raw)
    ):
        return tuple(_encodable(part, where) for part in raw)
    return read_number(
        raw, where, expected="a string, a finite number or a non-empty list of strings"
    )


def read_number(raw: object, where: str, *, expected: str) -> float:
    value = math.nan
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        try:
            value = float(raw)
        except OverflowError:  # a whole number of more than 308 digits
            value = math.inf
    if not math.isfinite(value):
        raise BadRequest(where, found=describe(raw), expected=expected)
    return value


def read_flag(body: Mapping[str, object], name: str, *, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise BadRequest(name, found=describe(value), expected="true or false")
    return value


def read_ids(raw: object, where: str, *, limit: int) -> tuple[str, ...]:
    ids = read_list(raw, where, limit=limit)
    return tuple(read_id(value, f"{where}[{i}]") for i, value in enumerate(ids))


def read_list(raw: object, where: str, *, limit: int) -> list[object]:
    if not isinstance(raw, list):
        raise BadRequest(where, found=describe(raw), expected="a list")
    if len(raw) > limit:
        raise BadRequest(where, found=f"{len(raw)} elements", expected=f"at most {limit}")
    return raw


def expect_known_fields(
    body: Mapping[str, object], known: set[str], *, where: str | None = None
) -> None:
    if body.keys() <= known:
        return
    for name in body:
        if name not in known:
            shown = field_name(name)
            expected = f"only {', '.join(sorted(known))}"
            raise BadRequest(
                shown if where is None else f"{where}.{shown}",
                found="an unknown field",
                expected=expected,
            )


def field_name(name: object) -> str:
    """Return a client's field name in printable ASCII, shortened."""
    return shorten(ascii(name)[1:-1])


def describe(value: object) -> str:
    """Describe what was found: a container by its kind, anything else by an excerpt."""
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, dict):
        return "an object" if value else "an empty object"
    return excerpt(value)
