"""Who may call: everybody but other people's web pages, or who shows the key in `Authorization: Bearer`.

Knows one key; does not know users.
"""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request

from cron.settings.keys import variable
from cron.settings.own_gateway import gateway_url, key_bytes
from cron.settings.tree import GatewaySettings
from gateway.services import GatewayServices


def services_of(request: Request) -> GatewayServices:
    """Return what the application opened at its start."""
    return cast(GatewayServices, request.app.state.services)


class OtherSite(Exception):
    """A call that may be some web page's: which header says so, and what to do when it is not. `field` is the header."""

    def __init__(self, header: str, *, found: str, means: str, gateway: GatewaySettings) -> None:
        self.field = header.lower()
        way_out = f"call {gateway_url(gateway)}, or set gateway.api_key ({variable('gateway.api_key')}) and send it as Authorization: Bearer KEY"
        super().__init__(
            f"{header} is {ascii(found)[:80]}, {means}, and without a key this gateway answers this machine alone; {way_out}"
        )


UseServices = Annotated[GatewayServices, Depends(services_of)]


def require_key(request: Request, services: UseServices) -> None:
    """Refuse a call without the key, when one is set; the comparison takes the same time for every wrong key."""
    key = services.settings.gateway.api_key
    if key is None:
        _refuse_other_sites(request, services.settings.gateway)
        return
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and _is_key(
        shown.strip(" \t").encode("latin-1"), key
    ):  # which is how the header was decoded
        return
    raise HTTPException(
        401,
        "this gateway asks for a key, its setting gateway.api_key: send Authorization: Bearer KEY",
        {"WWW-Authenticate": "Bearer"},
    )


def _is_key(shown: bytes, key: str) -> bool:
    """Compare with the key in UTF-8, as curl sends letters beyond ASCII, and in Latin-1, as browsers and Python's requests do."""
    written = key_bytes(key)
    try:
        in_latin = written.decode("utf-8").encode("latin-1")
    except UnicodeError:  # it holds other letters, or is no text
        in_latin = written
    is_utf, is_latin = hmac.compare_digest(shown, written), hmac.compare_digest(shown, in_latin)
    return is_utf or is_latin


def _refuse_other_sites(request: Request, gateway: GatewaySettings) -> None:
    """Refuse what a web page of somebody else does in a browser on this machine: post events, or read what is answered.

    Browsers say where a call comes from. A page whose own name was pointed at 127.0.0.1 (DNS
    rebinding) is of the same site for them, but the name that they called still stands in Host.
    """
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise OtherSite(
            "Sec-Fetch-Site",
            found="cross-site",
            means="a web page of another site called",
            gateway=gateway,
        )
    for header in ("host", "origin"):
        found = request.headers.get(header)
        if found is not None and not _is_here(found, gateway.host):
            raise OtherSite(
                header.title(),
                found=found,
                means="no loopback name (127.0.0.1, localhost, [::1])",
                gateway=gateway,
            )


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
