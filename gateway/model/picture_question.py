"""The body of `POST /v1/similar`, parsed strictly; every mistake names its field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from gateway.bodies.pictures import DEFAULT_K, PictureBody
from gateway.bodies.recommendations import FilterValue
from gateway.items.shown_attributes import read_names
from gateway.model.recommendation_body import filter_of_body
from recommender.requests.body import read_picture
from recommender.requests.body_fields import expect_known_fields, read_count
from recommender.requests.wire import BadRequest

_FIELDS = {field.name for field in fields(PictureBody)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureQuestion:
    """What a client asks for; `picture` is in base64."""

    picture: str
    k: int
    filter: Mapping[str, FilterValue]
    attributes: tuple[str, ...] = ()


def parse_picture(body: Mapping[str, object]) -> PictureQuestion:
    """Parse one JSON object; raise BadRequest."""
    expect_known_fields(body, _FIELDS)
    given = {name: value for name, value in body.items() if value is not None}
    picture = given.get("picture")
    read_picture(picture, "picture")
    if not isinstance(picture, str):
        raise BadRequest("picture", found="nothing", expected="a picture in base64")
    return PictureQuestion(
        picture=picture,
        k=read_count(given.get("k", DEFAULT_K)),
        filter=filter_of_body(given.get("filter", {})),
        attributes=read_names(given.get("attributes", [])),
    )
