"""The gateway's processes: one, or several that accept connections from one socket.

uvicorn starts several, and replaces one that ends.
"""

from __future__ import annotations

import shutil
from contextlib import suppress

import uvicorn
from uvicorn.supervisors import Multiprocess

from cron.settings.tree import Settings
from gateway.http.connections import limits_here, raise_file_limit
from gateway.http.server import server_config
from gateway.shared_counts import counts_folder

NOT_STARTED = 3  # uvicorn's own status; its log has the reason
_APPLICATION = "gateway.one_process:application"


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C and return the exit status: 0, or NOT_STARTED."""
    raise_file_limit()
    gateway = settings.gateway
    config = server_config(
        _APPLICATION,
        host=gateway.host,
        port=gateway.port,
        limits=limits_here(),
        processes=gateway.processes,
    )
    if gateway.processes == 1:
        has_started = _serve_alone(config)
    else:
        shutil.rmtree(counts_folder(settings), ignore_errors=True)  # of earlier processes
        has_started = _serve_together(config)
    return 0 if has_started else NOT_STARTED


def _serve_alone(config: uvicorn.Config) -> bool:
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):
        server.run()
    return server.started


def _serve_together(config: uvicorn.Config) -> bool:
    parent = Multiprocess(config, sockets=[config.bind_socket()])
    parent.run()
    return all(process.exitcode != NOT_STARTED for process in parent.processes)
