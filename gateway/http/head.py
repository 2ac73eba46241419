"""HEAD: whatever answers GET answers it too, in the same way (RFC 9110, 9.3.2).

Knows methods; that an answer to HEAD has no body is the server's doing, uvicorn's here.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class HeadAsGet:
    """ASGI middleware: the calls within see GET in place of HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on; the server keeps its own scope, by which it leaves the body out."""
        await self._app(
            {**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope, receive, send
        )
