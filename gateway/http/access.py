"""Who may call: holders of a key with the call's role; without any key, this machine alone.

`gateway.callers` has the roles and the keys.
"""

from __future__ import annotations

from base64 import b64decode
from functools import lru_cache
from ipaddress import ip_address
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from cron.settings.keys import variable
from cron.settings.own_gateway import gateway_url
from cron.settings.tree import GatewaySettings
from gateway.callers.keyring import LOCAL, Caller, Keyring
from gateway.callers.roles import CALLS, Roles
from gateway.services import GatewayServices

# it describes the key in /openapi.json; `require_key` reads the header itself, in every encoding
_BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="The setting `gateway.api_key`, or a key made by `python -m cron keys add` with "
    "one of the roles named at the call. Needed once there is a key.",
)


_NO_KEY = (
    "this gateway requires a key, the setting gateway.api_key or one made by `python -m cron keys "
    "add`; send Authorization: Bearer KEY"
)


async def services_of(request: Request) -> GatewayServices:
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


class WrongRole(Exception):
    """A call with a valid key that is not for this call."""

    def __init__(self, caller: Caller, call: str, *, needed: Roles) -> None:
        roles = " or ".join(sorted(needed))
        what = f"{call} needs a key with the role {roles}"
        if caller is LOCAL:
            found = "without a key, programs of this machine may not"
        else:
            found = f"the key {caller.name!r} has {', '.join(sorted(caller.roles))}"
        super().__init__(
            f"{what}; {found}; make one: python -m cron keys add --name NAME --role {min(needed)}"
        )


UseServices = Annotated[GatewayServices, Depends(services_of)]


async def require_key(
    request: Request,
    services: UseServices,
    _: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
) -> None:
    """Refuse a call without a key that has the call's role; without any key, other sites' pages.

    `caller_of` returns whose key it was.
    """
    if services.keyring.is_empty:
        _refuse_other_sites(request, services.settings.gateway)
        caller = LOCAL
    else:
        found = _key_holder(request, services.keyring)
        services.call_limits.admit(found, request.client.host if request.client else None)
        if found is None:
            raise HTTPException(401, _NO_KEY, {"WWW-Authenticate": "Bearer"})
        caller = found
    call, needed = _needed_roles(request)
    if not needed & caller.roles:
        raise WrongRole(caller, call, needed=needed)
    if caller.is_browser:
        services.visitors.check_origin(caller, request.headers.get("origin"))
        user_id = request.path_params.get("user_id", request.query_params.get("user_id"))
        if user_id is not None:
            services.visitors.check_user_id(user_id)
    request.state.caller = caller


async def caller_of(request: Request) -> Caller:
    """Return who sent a call, after `require_key` has found out."""
    return cast(Caller, request.state.caller)


UseCaller = Annotated[Caller, Depends(caller_of)]


def _key_holder(request: Request, keyring: Keyring) -> Caller | None:
    """Return who sent a call; None without a valid key."""
    scheme, _space, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        # a header's bytes are decoded as Latin-1
        return keyring.find(token.strip(" \t").encode("latin-1"))
    if scheme.lower() == "basic":
        # Segment's and RudderStack's senders: the key is the user name, the password is empty
        return keyring.find(_user_name(token))
    if (azure_key := request.headers.get("ocp-apim-subscription-key")) is not None:
        return keyring.find(azure_key.encode("latin-1"))  # clients of Azure's Personalizer
    if "key" in request.query_params:
        # `sendBeacon` sends no header; a browser key is public, so it may be in an address
        caller = keyring.find(request.query_params["key"].encode())
        if caller is not None and caller.is_browser:
            return caller
    return None


def _user_name(token: str) -> bytes:
    """Return the user name of HTTP's Basic scheme (RFC 7617); nothing when it is malformed."""
    try:
        return b64decode(token.strip(), validate=True).partition(b":")[0]
    except ValueError:
        return b""


def _needed_roles(request: Request) -> tuple[str, Roles]:
    """Return the call, and the roles that it is for; a call that the list lacks is for none."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    call = f"{request.method} {route.path_format}"
    return call, CALLS.get(call, frozenset())


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


@lru_cache(maxsize=256)  # nearly all calls of this machine name it in the same way
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
