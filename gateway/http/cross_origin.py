"""CORS: pages of the sites that a browser key names may call from a browser.

A page of another site gets no header that would let it read an answer, and no preflight.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.callers.keyring import Keyring

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Encoding",
    "Access-Control-Max-Age": "7200",  # the most that Chromium takes
}
_READABLE = "Date, Retry-After, X-Model-Version"  # Date corrects the clock of a visitor


class CrossOrigin:
    """ASGI middleware: answer preflights of the listed origins, and mark answers to them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, unless it is a preflight of a listed origin."""
        origin = _listed_origin(scope)
        if origin is None:
            await self._app(scope, receive, send)
            return
        is_preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in Headers(
            scope=scope
        )
        if is_preflight:
            await _answer_preflight(origin, send)
            return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Expose-Headers"] = _READABLE
                headers.add_vary_header("Origin")
            await send(message)

        await self._app(scope, receive, send_marked)


def _listed_origin(scope: Scope) -> str | None:
    """Return the origin of a call, if a browser key names it."""
    if scope["type"] != "http":
        return None
    for name, value in scope["headers"]:
        if name == b"origin":
            keyring: Keyring = scope["app"].state.services.keyring
            origin = str(value.decode("latin-1"))
            return origin if origin in keyring.origins else None
    return None


async def _answer_preflight(origin: str, send: Send) -> None:
    headers = MutableHeaders({"Access-Control-Allow-Origin": origin, "Vary": "Origin"})
    headers.update(_PREFLIGHT)
    await send({"type": "http.response.start", "status": 204, "headers": headers.raw})
    await send({"type": "http.response.body", "body": b""})
