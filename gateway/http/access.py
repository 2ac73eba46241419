"""Who may call: holders of the key; without a key, this machine but not other sites' pages."""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from cron.settings.keys import variable
from cron.settings.own_gateway import gateway_url, key_bytes
from cron.settings.tree import GatewaySettings
from gateway.services import GatewayServices

# it describes the key in /openapi.json; `require_key` reads the header itself, in every encoding
_BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="The setting `gateway.api_key`. Needed only when a key is set.",
)


def services_of(request: Request) -> GatewayServices:
    """Return the services that the application opened at its start."""
    return cast(GatewayServices, request.app.state.services)


class OtherSite(Exception):
    """A call that may come from another site's web page. `field` is the header that shows it."""

    def __init__(self, header: str, *, found: str, means: str, gateway: GatewaySettings) -> None:
        self.field = header.lower()
        super().__init__(
            f"{header} is {ascii(found)[:80]}, {means}, and without a key this gateway answers "
            f"this machine alone; call {gateway_url(gateway)}, or set gateway.api_key "
            f"({variable('gateway.api_key')}) and send it as Authorization: Bearer KEY"
        )


UseServices = Annotated[GatewayServices, Depends(services_of)]


def require_key(
    request: Request,
    services: UseServices,
    _: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
) -> None:
    """Refuse a call without the key, when one is set; without one, refuse other sites' pages.

    The comparison takes the same time for every wrong key.
    """
    key = services.settings.gateway.api_key
    if key is None:
        _refuse_other_sites(request, services.settings.gateway)
        return
    scheme, _space, token = request.headers.get("authorization", "").partition(" ")
    # a header's bytes are decoded as Latin-1
    if scheme.lower() == "bearer" and _is_key(token.strip(" \t").encode("latin-1"), key):
        return
    raise HTTPException(
        401,
        "this gateway requires its key, the setting gateway.api_key; send Authorization: "
        "Bearer KEY",
        {"WWW-Authenticate": "Bearer"},
    )


def _is_key(sent: bytes, key: str) -> bool:
    """Compare with the key in UTF-8 and in Latin-1.

    curl sends letters beyond ASCII in UTF-8, browsers and Python's requests in Latin-1.
    """
    in_utf = key_bytes(key)
    try:
        in_latin = in_utf.decode("utf-8").encode("latin-1")
    except UnicodeError:  # it has letters beyond Latin-1, or is not valid UTF-8
        in_latin = in_utf
    is_utf, is_latin = hmac.compare_digest(sent, in_utf), hmac.compare_digest(sent, in_latin)
    return is_utf or is_latin


def _refuse_other_sites(request: Request, gateway: GatewaySettings) -> None:
    """Refuse another site's web page in a browser on this machine.

    Such a page could post events or read answers. Browsers say where a call comes from. A page
    whose own name was pointed at 127.0.0.1 (DNS rebinding) counts as the same site for them, but
    Host still holds the name that was called.
    """
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise OtherSite(
            "Sec-Fetch-Site",
            found="cross-site",
            means="so a web page of another site called",
            gateway=gateway,
        )
    for header in ("host", "origin"):
        found = request.headers.get(header)
        if found is not None and not _is_loopback(found, gateway.host):
            raise OtherSite(
                header.title(),
                found=found,
                means="not a loopback name (127.0.0.1, localhost, [::1])",
                gateway=gateway,
            )


def _is_loopback(address: str, own_host: str) -> bool:
    """Return whether a Host (`name:port`) or an Origin (`scheme://name:port`) is this machine."""
    try:
        name = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    except ValueError:  # an unmatched bracket
        return False
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name in ("localhost", own_host) or name.endswith(".localhost")
