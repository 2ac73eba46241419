"""HEAD: every call that answers GET answers HEAD too, in the same way (RFC 9110, 9.3.2).

The server, here uvicorn, leaves the body out.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class HeadAsGet:
    """ASGI middleware: turn HEAD into GET for the calls inside."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on. The server keeps its own scope, which still says HEAD."""
        if scope.get("method") == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
