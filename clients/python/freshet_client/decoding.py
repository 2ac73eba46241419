"""JSON values to dataclasses, by the types of their fields.

Fields that a dataclass does not have are ignored. A field with a default may be missing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import cache
from typing import TypeVar, Union, cast, get_args, get_origin, get_type_hints

Decoded = TypeVar("Decoded")


class WrongAnswer(ValueError):
    """An answer that is not what the gateway documents; `str()` names the field."""


def decode(answer_type: type[Decoded], value: object) -> Decoded:
    """Return a JSON value as a dataclass; raise WrongAnswer when it does not fit."""
    return cast("Decoded", _decode(answer_type, value, "the answer"))


def _decode(kind: object, value: object, place: str) -> object:
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _decode_object(kind, value, place)
    if origin is Union:
        return _decode_union(get_args(kind), value, place)
    if origin is tuple and isinstance(value, list):
        return _decode_list(get_args(kind), value, place)
    if origin is dict and isinstance(value, dict):
        element = get_args(kind)[1]
        return {name: _decode(element, one, f"{place}.{name}") for name, one in value.items()}
    if kind is datetime and isinstance(value, str):
        return _decode_time(value, place)
    if _is_plain(kind, value):
        return value
    raise WrongAnswer(f"{place}: found {value!r:.80}, expected {kind}")


def _decode_object(kind: type, value: object, place: str) -> object:
    if not isinstance(value, dict):
        raise WrongAnswer(f"{place}: found {value!r:.80}, expected an object")
    fields = {}
    for name, (field_kind, is_required) in _fields_of(kind).items():
        if name in value:
            fields[name] = _decode(field_kind, value[name], f"{place}.{name}")
        elif is_required:
            raise WrongAnswer(f"{place} has no {name}")
    return kind(**fields)


def _decode_union(kinds: tuple[object, ...], value: object, place: str) -> object:
    """Return the value as the first kind that it fits."""
    for kind in kinds:
        if kind is type(None) and value is None:
            return None
        try:
            return _decode(kind, value, place)
        except WrongAnswer as error:
            wrong = error
    raise wrong


def _decode_list(kinds: tuple[object, ...], values: list[object], place: str) -> object:
    """Return a tuple: `tuple[X, ...]` has any length, `tuple[X, Y]` has its own."""
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(values)
    if len(kinds) != len(values):
        raise WrongAnswer(f"{place}: found {len(values)} elements, expected {len(kinds)}")
    elements = enumerate(zip(kinds, values))
    return tuple(_decode(kind, one, f"{place}.{index}") for index, (kind, one) in elements)


def _decode_time(value: str, place: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        raise WrongAnswer(f"{place}: found {value!r:.80}, expected a time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _is_plain(kind: object, value: object) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return kind in (str, bool) and isinstance(value, cast("type", kind))


@cache
def _fields_of(kind: type) -> Mapping[str, tuple[object, bool]]:
    """Return for each field of a dataclass its type, and whether it is required."""
    hints = get_type_hints(kind)
    return {
        field.name: (
            hints[field.name],
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(kind)
    }
