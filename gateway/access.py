"""Who may call: everybody but other people's web pages, or who shows the key in `Authorization: Bearer`.

Knows one key; does not know users.
"""

from __future__ import annotations

import hmac
from typing import Annotated, cast

from fastapi import Depends, HTTPException, Request

from gateway.doors import Doors


def doors_of(request: Request) -> Doors:
    """Return what the application opened at its start."""
    return cast(Doors, request.app.state.doors)


UseDoors = Annotated[Doors, Depends(doors_of)]


def require_key(request: Request, doors: UseDoors) -> None:
    """Refuse a call without the key, when one is set; the comparison takes the same time for every wrong key."""
    key = doors.settings.gateway.api_key
    if key is None:
        # any page that is open in a browser here could else post events to a loopback address; browsers say where a call comes from
        if request.headers.get("sec-fetch-site") == "cross-site":
            raise HTTPException(403, "a web page of another site called; without a key this gateway does not answer those")
        return
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), key.encode()):
        return
    raise HTTPException(401, "this gateway asks for a key: Authorization: Bearer KEY", {"WWW-Authenticate": "Bearer"})
