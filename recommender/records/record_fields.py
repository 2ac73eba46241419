"""Fields of a record: checked and returned, or refused with InvalidRecord."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Set
from typing import TypeGuard

from recommender.records.excerpt import excerpt
from recommender.records.ids import MAX_ID_CHARS, is_plain_id, wrong_id

MAX_TYPE_CHARS = 64


class InvalidRecord(ValueError):
    """A record that is refused: which field, what was found, what was expected.

    `found` is a value, which is quoted and shortened. `problem` describes what was found in words.
    """

    def __init__(
        self, field: str, *, found: object = None, problem: str | None = None, expected: str
    ) -> None:
        # The sender may have chosen the field's name. It goes into logs and answers, so it must be
        # short and printable.
        self.field = (
            field if len(field) <= MAX_TYPE_CHARS and field.isprintable() else excerpt(field)
        )
        shown = excerpt(found) if problem is None else problem
        self.reason = f"{self.field}: found {shown}, expected {expected}"
        super().__init__(self.reason)


def object_of(raw: object, known: Set[str]) -> dict[str, object]:
    """Return a raw record as an object that has known fields only."""
    if not isinstance(raw, dict):
        raise InvalidRecord("record", found=raw, expected="a JSON object")
    if not raw.keys() <= known:
        unknown = sorted(str(key) for key in raw if key not in known)
        raise InvalidRecord(
            unknown[0], problem="an unknown field", expected=f"one of {', '.join(sorted(known))}"
        )
    return raw


def id_field(fields: Mapping[str, object], name: str) -> str:
    """Return an id. A whole number is the id of its decimal string."""
    value = fields.get(name)
    if is_plain_id(value):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**MAX_ID_CHARS:
        value = str(value)
    expected = wrong_id(value)
    if expected is not None or not isinstance(value, str):
        raise InvalidRecord(name, found=value, expected=expected or "a string")
    return encodable(name, value)


def text_field(fields: Mapping[str, object], name: str, *, limit: int) -> str:
    """Return a text of 1 to `limit` characters that are not all blank."""
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > limit:
        raise InvalidRecord(
            name, found=value, expected=f"a non-empty string of at most {limit} characters"
        )
    return encodable(name, value)


def number_field(
    fields: Mapping[str, object], name: str, *, least: float, most: float
) -> float | None:
    """Return a number from `least` to `most`; None if it is missing or null."""
    value = fields.get(name)
    if value is None:
        return None
    if not is_finite(value) or not least <= value <= most:
        raise InvalidRecord(
            name, found=value, expected=f"a number from {least:,.15g} to {most:,.15g}, or null"
        )
    return float(value)


def encodable(name: str, value: str) -> str:
    """Return the text unchanged; refuse lone surrogates and NUL, which some stores can't hold."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidRecord(
            name, found=value, expected="valid Unicode (no lone surrogates)"
        ) from error
    if "\0" in value:
        raise InvalidRecord(name, found=value, expected="text without NUL characters")
    return value


def is_finite(value: object) -> TypeGuard[int | float]:
    """Return whether a JSON value is a number that a float can hold.

    JSON allows whole numbers of any length.
    """
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    )
