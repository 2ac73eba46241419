"""The query parameters `filter` and `attributes`: which items a list has, and what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request

from gateway.bodies.recommendations import FilterValue
from gateway.http.access import caller_of, services_of
from gateway.http.query import FilterTexts
from gateway.items.shown_attributes import read_names
from gateway.model.recommendations import parse_filter


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeQuery:
    """The attributes that the items of a list must have, and those to return with each."""

    filter: Mapping[str, FilterValue]
    shown: tuple[str, ...]


ShownNames = Annotated[
    list[str] | None,
    Query(
        description="An attribute to return with each item, from the items' newest records. "
        "Repeat it for several, at most 20.",
        examples=[["genre", "price"]],
    ),
]


async def attribute_query(
    request: Request, wanted: FilterTexts = None, attributes: ShownNames = None
) -> AttributeQuery:
    """Return what the caller asks for; raise BadRequest or BadQuery."""
    found = AttributeQuery(filter=parse_filter(wanted or []), shown=read_names(attributes or []))
    if found.filter or found.shown:
        caller, services = await caller_of(request), await services_of(request)
        if caller.is_browser:
            services.visitors.check_attributes(found.shown, "attributes")
            services.visitors.check_attributes(found.filter, "filter")
    return found


Attributes = Annotated[AttributeQuery, Depends(attribute_query)]
