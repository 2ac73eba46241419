"""Serve the gateway on the configured port.

python -m gateway [--config FILE]
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from contextlib import suppress
from pathlib import Path

import uvicorn

from cron.errors import FreshetError
from cron.logs import set_up_logs
from cron.settings.file import load_settings
from cron.settings.private_files import close_to_others, keep_private
from gateway.app import create_app
from gateway.http.connections import limits_here, raise_file_limit
from gateway.http.server import server_config

NOT_STARTED = 3  # uvicorn's own status; its log has the reason
# Calls keep many objects for some milliseconds, and hardly any are in cycles. With Python's 700,
# the collector takes a tenth of the time of an event.
NEW_OBJECTS_A_COLLECTION = 5_000


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM or Ctrl-C and return the exit status.

    0: it served. 2: the settings are wrong; one sentence says why. 3: the server did not start.
    """
    keep_private()
    parser = argparse.ArgumentParser(
        prog="python -m gateway",
        description="Serve the HTTP gateway: events in, recommendations out.",
    )
    parser.add_argument(
        "--config",
        type=Path,
        help="the settings file; default FRESHET_CONFIG, or deploy/local.toml",
    )
    try:
        settings = load_settings(parser.parse_args(arguments).config, os.environ).settings
    except FreshetError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    close_to_others(settings.store)
    set_up_logs()
    raise_file_limit()
    app = create_app(settings)
    server = uvicorn.Server(
        server_config(
            app, host=settings.gateway.host, port=settings.gateway.port, limits=limits_here()
        )
    )
    _relieve_collector()
    with suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started else NOT_STARTED


def _relieve_collector() -> None:
    """Let the garbage collector run less often, and pass over all that was made so far."""
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS_A_COLLECTION, *gc.get_threshold()[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
