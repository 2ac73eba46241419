"""How uvicorn serves the gateway: which limits it has, and what it leaves out.

Knows uvicorn; does not know the calls.
"""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI

from gateway.http.connections import Limits, connection_class


def server_config(app: FastAPI, *, host: str, port: int, limits: Limits) -> uvicorn.Config:
    """Return uvicorn's configuration. No line per request: the figures are in /metrics."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=connection_class(limits),
        ws="none",
        access_log=False,
        timeout_graceful_shutdown=5,  # for requests under way at the end
        log_config=None,
        server_header=False,
    )
