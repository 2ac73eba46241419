"""Who may call: everybody but other people's web pages, or who shows the key in `Authorization: Bearer`.

Knows one key; does not know users.
"""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request

from cron.own_gateway import key_bytes
from gateway.doors import Doors


def doors_of(request: Request) -> Doors:
    """Return what the application opened at its start."""
    return cast(Doors, request.app.state.doors)


UseDoors = Annotated[Doors, Depends(doors_of)]


def require_key(request: Request, doors: UseDoors) -> None:
    """Refuse a call without the key, when one is set; the comparison takes the same time for every wrong key."""
    key = doors.settings.gateway.api_key
    if key is None:
        _refuse_other_sites(request, own_host=doors.settings.gateway.host)
        return
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and _is_key(shown.strip(" \t").encode("latin-1"), key):  # which is how the header was decoded
        return
    raise HTTPException(401, "this gateway asks for a key: Authorization: Bearer KEY", {"WWW-Authenticate": "Bearer"})


def _is_key(shown: bytes, key: str) -> bool:
    """Compare with the key in UTF-8, as curl sends letters beyond ASCII, and in Latin-1, as browsers and Python's requests do."""
    written = key_bytes(key)
    try:
        in_latin = written.decode("utf-8").encode("latin-1")
    except UnicodeError:  # it holds other letters, or is no text
        in_latin = written
    is_utf, is_latin = hmac.compare_digest(shown, written), hmac.compare_digest(shown, in_latin)
    return is_utf or is_latin


def _refuse_other_sites(request: Request, *, own_host: str) -> None:
    """Refuse what a web page of somebody else does in a browser on this machine: post events, or read what is answered.

    Browsers say where a call comes from. A page whose own name was pointed at 127.0.0.1 (DNS rebinding) is of the same site for them,
    but the name that they called still stands in Host.
    """
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise HTTPException(403, "a web page of another site called; without a key this gateway does not answer those")
    for header in ("host", "origin"):
        found = request.headers.get(header)
        if found is not None and not _is_here(found, own_host):
            needed = "without a key this gateway answers to this machine's own names only: call 127.0.0.1, or set FRESHET__GATEWAY__API_KEY"
            raise HTTPException(403, f"{header.title()} is {ascii(found)[:80]}; {needed}")


def _is_here(address: str, own_host: str) -> bool:
    """Tell whether a Host (`name:port`) or an Origin (`scheme://name:port`, or `null`) names this machine's loopback."""
    try:
        name = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    except ValueError:  # a bracket too many
        return False
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name in ("localhost", own_host) or name.endswith(".localhost")
