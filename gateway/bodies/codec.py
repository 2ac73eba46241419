"""The codec of the gateway's bodies: JSON to and from dataclasses, and their JSON schema.

Field descriptions and limits stand on the fields, so the parser, the answers and `/openapi.json`
cannot disagree.
"""

from __future__ import annotations

from typing import TypeVar, cast

from pydantic import TypeAdapter

Body = TypeVar("Body")


_CODECS: dict[type, TypeAdapter[object]] = {}


def codec_of(body_type: type[Body]) -> TypeAdapter[Body]:
    """Return the codec of a type. Building one takes milliseconds, so each is built once."""
    codec = _CODECS.get(body_type)
    if codec is None:
        codec = _CODECS[body_type] = TypeAdapter(body_type)
    return cast("TypeAdapter[Body]", codec)


def to_json(body: object) -> object:
    """Return a body as JSON values. Strings stay as they are, lone surrogates included."""
    return codec_of(type(body)).dump_python(body)


def is_none(value: object) -> bool:
    """Return whether a field is None, for `exclude_if`, which leaves it out of the JSON."""
    return value is None


def is_empty(value: tuple[object, ...]) -> bool:
    """Return whether a field is an empty tuple, for `exclude_if`."""
    return not value
