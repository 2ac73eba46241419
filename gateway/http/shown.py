"""The query parameters of a list by user that say what it shows: attributes, and texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request

from copywriter.brief import Language
from gateway.http.attributes import AttributeQuery, ShownNames, attribute_query
from gateway.http.query import FilterTexts


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownQuery:
    """Which attributes a list has and shows, and whether each item has a text."""

    attributes: AttributeQuery
    copy: bool
    language: Language | None


async def shown_query(
    request: Request,
    wanted: FilterTexts = None,
    attributes: ShownNames = None,
    copy: Annotated[
        bool,
        Query(
            description="Return a line of text with each item that says why it is there, and a "
            "title of the list. It waits for no language model."
        ),
    ] = False,
    language: Annotated[
        Language | None,
        Query(
            description="The language of `copy`. Default: by `Accept-Language`, then "
            "`copy.language`."
        ),
    ] = None,
) -> ShownQuery:
    """Return what the caller asks for; raise BadRequest or BadQuery."""
    found = await attribute_query(request, wanted, attributes)
    return ShownQuery(attributes=found, copy=copy, language=language)


Shown = Annotated[ShownQuery, Depends(shown_query)]
