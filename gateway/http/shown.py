"""The query parameters of a list by user that say what it shows: attributes, and texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from copywriter.brief import Language
from gateway.http.attributes import AttributeQuery, ShownNames, attribute_query
from gateway.http.query import FilterTexts
from gateway.http.texts import CopyFlag, CopyLanguage


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
    copy: CopyFlag = False,
    language: CopyLanguage = None,
) -> ShownQuery:
    """Return what the caller asks for; raise BadRequest or BadQuery."""
    found = await attribute_query(request, wanted, attributes)
    return ShownQuery(attributes=found, copy=copy, language=language)


Shown = Annotated[ShownQuery, Depends(shown_query)]
