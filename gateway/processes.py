"""The gateway's processes: one, or several that accept connections from one socket.

uvicorn starts several, and replaces one that ends.
"""

from __future__ import annotations

import logging
import shutil
import socket
from contextlib import suppress

import uvicorn
from uvicorn.supervisors import Multiprocess

from cron.settings.tree import Settings
from gateway.http.connections import limits_here, raise_file_limit
from gateway.http.server import server_config
from gateway.shared_counts import counts_folder

NOT_STARTED = 3  # uvicorn's own status; its log has the reason
log = logging.getLogger(__name__)
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
    with socket.socket(socket.AF_INET6 if ":" in config.host else socket.AF_INET) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((config.host, config.port))
        except OSError as error:
            message = "no place for the gateway at %s:%s: %s; choose another gateway.port"
            log.error(message, config.host, config.port, error)
            return False
        return _run(config, listening)


def _run(config: uvicorn.Config, listening: socket.socket) -> bool:
    parent = Multiprocess(config, sockets=[listening])
    parent.run()
    return all(process.exitcode != NOT_STARTED for process in parent.processes)
