"""How uvicorn serves the gateway."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI

from gateway.http.connections import ConnectionLimits, connection_class


def server_config(
    app: FastAPI, *, host: str, port: int, limits: ConnectionLimits
) -> uvicorn.Config:
    """Return uvicorn's configuration. It logs no line per request: `/metrics` counts them."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=connection_class(limits),
        loop="uvloop",
        ws="none",
        access_log=False,
        timeout_graceful_shutdown=5,  # for requests under way at the end
        log_config=None,
        server_header=False,
        proxy_headers=False,  # gateway.app adds the same for gateway.trusted_proxies alone
    )
