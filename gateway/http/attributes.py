"""The query parameter `attributes`: what a list shows with each item."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from gateway.http.access import UseCaller, UseServices
from gateway.items.shown_attributes import read_names


async def attributes_to_show(
    services: UseServices,
    caller: UseCaller,
    attributes: Annotated[
        list[str] | None,
        Query(
            description="An attribute to return with each item, from the items' newest records. "
            "Repeat it for several, at most 20.",
            examples=[["genre", "price"]],
        ),
    ] = None,
) -> tuple[str, ...]:
    """Return the names that the caller asks for; raise BadRequest."""
    names = read_names(attributes or [])
    if caller.is_browser:
        services.visitors.check_attributes(names)
    return names


AttributeNames = Annotated[tuple[str, ...], Depends(attributes_to_show)]
