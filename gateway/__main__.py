"""Serve the gateway on the configured port.

python -m gateway [--config FILE]
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from cron.errors import FreshetError
from cron.logs import set_up_logs
from cron.settings.file import FILE_VARIABLE, load_settings
from cron.settings.private_files import close_to_others, keep_private
from gateway.processes import serve


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
    file = parser.parse_args(arguments).config
    try:
        settings = load_settings(file, os.environ).settings
    except FreshetError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if file is not None:
        os.environ[FILE_VARIABLE] = str(file)  # the application reads it again
    close_to_others(settings.store)
    set_up_logs()
    return serve(settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
