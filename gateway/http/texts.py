"""The query parameters `copy` and `language` of lists: whether items have texts, and which."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request

from copywriter.brief import Language
from gateway.content.languages import accepted_language
from gateway.http.access import services_of

CopyFlag = Annotated[
    bool,
    Query(
        description="Return a line of text with each item that says why it is there, and a "
        "title of the list. It waits for no language model."
    ),
]
CopyLanguage = Annotated[
    Language | None,
    Query(
        description="The language of `copy`. Default: by `Accept-Language`, then `copy.language`."
    ),
]


async def text_language(
    request: Request, copy: CopyFlag = False, language: CopyLanguage = None
) -> Language | None:
    """Return the language of the texts that a caller asks for; None without texts."""
    if not copy:
        return None
    services = await services_of(request)
    accepted = accepted_language(request.headers.get("accept-language"))
    return language or accepted or services.settings.copy.language


Texts = Annotated[Language | None, Depends(text_language)]
