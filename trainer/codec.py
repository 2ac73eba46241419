"""JSON to typed values and back: the one codec of the trainer and of cron. Torch-free.

Dataclasses and `msgspec.Struct`s are decoded strictly: a missing key or a wrong type is an error.
A Struct is used where a stored key differs from the field's name.

`json` reads and writes the text, because msgspec has no NaN: the scores of a ruined model are NaN,
and the report must say so.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TypeVar

import msgspec

_Value = TypeVar("_Value")


def encode(value: object, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """Return a value as JSON; times are in ISO format, equal values give equal bytes."""
    plain = msgspec.to_builtins(value, builtin_types=(datetime,))
    return json.dumps(
        plain, indent=indent, sort_keys=sort_keys, ensure_ascii=False, default=datetime.isoformat
    )


def decode(text: str | bytes, kind: type[_Value]) -> _Value:
    """Return JSON as a value of this type; raise ValueError naming the place that is wrong."""
    try:
        return msgspec.convert(json.loads(text), kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
