"""Request bodies that are one JSON object of a known type."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass

from pydantic import ValidationError

from gateway.bodies.codec import Body, codec_of
from gateway.content.record_bodies import parse_object
from gateway.errors import BadQuery


def parse_body(body_type: type[Body], content: bytes | bytearray) -> Body:
    """Parse a body, empty or an object; raise BadBody, or BadQuery that names the wrong field."""
    values = parse_object(content) if content else {}
    try:
        return codec_of(body_type).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = [str(part) for part in first["loc"]]
        field = ascii(place[0])[1:-1][:80] if place else "body"
        raise BadQuery(
            field, f"{field}: {_what_is_wrong(first['type'], first, body_type)}"
        ) from error


def _what_is_wrong(kind: str, first: object, body_type: type) -> str:
    assert isinstance(first, dict)
    if kind == "extra_forbidden":
        assert is_dataclass(body_type)
        names = ", ".join(sorted(field.name for field in fields(body_type)))
        return f"found an unknown field, expected one of {names}"
    if kind == "missing":
        return "found nothing, expected a value"
    expected = str(first["msg"]).removeprefix("Input should be ")
    return f"found {ascii(first['input'])[:80]}, expected {expected}"
