"""How uvicorn serves the gateway."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import cast

import uvicorn
from fastapi import FastAPI

from gateway.http.connections import BoundedConnection, ConnectionLimits

# One of several processes that does not answer its parent for so long is replaced. For as long the
# parent may wait when a process ends at the wrong moment.
HUNG_S = 10


def server_config(
    app: FastAPI | str, *, host: str, port: int, limits: ConnectionLimits, processes: int = 1
) -> uvicorn.Config:
    """Return uvicorn's configuration. It logs no line per request: `/metrics` counts them.

    `app` is the application, or the name of what makes it, `module:function`. Several processes
    need the name, since each makes its own.
    """
    # not a class made here, which could not be sent to another process
    connection = partial(BoundedConnection, limits=limits)
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        host=host,
        port=port,
        workers=processes,
        timeout_worker_healthcheck=HUNG_S,
        http=cast("type[asyncio.Protocol]", connection),
        loop="uvloop",
        ws="none",
        access_log=False,
        timeout_graceful_shutdown=5,  # for requests under way at the end
        log_config=None,
        server_header=False,
        proxy_headers=False,  # gateway.app adds the same for gateway.trusted_proxies alone
    )
