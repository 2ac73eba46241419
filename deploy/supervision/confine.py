"""Run a command with only the environment variables that its kind of program needs.

    python -m deploy.supervision.confine worker -- python -m cron worker
    python -m deploy.supervision.confine server --with FLINK_CONF_DIR -- java ...

supervisord passes its own environment, with every password, to all its programs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from cron.local.child_environment import GATEWAY, SYSTEM, WORKER, only

KINDS: Mapping[str, Sequence[str]] = {"gateway": GATEWAY, "worker": WORKER, "server": SYSTEM}


def confine(kind: str, command: Sequence[str], *, also: Sequence[str] = ()) -> list[str]:
    """Return the command that runs `command` with the variables of its kind and `also`."""
    with_also = [word for name in also for word in ("--with", name)]
    return [sys.executable, "-m", "deploy.supervision.confine", kind, *with_also, "--", *command]


def main(arguments: Sequence[str] | None = None) -> None:
    """Become the command."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.supervision.confine",
        description="Run a command with only the environment variables that it needs.",
    )
    parser.add_argument("kind", choices=tuple(KINDS))
    parser.add_argument(
        "--with",
        dest="also",
        action="append",
        default=[],
        metavar="NAME",
        help="another variable; repeatable",
    )
    parser.add_argument("command", nargs="+")
    given = parser.parse_args(arguments)
    os.umask(0o077)
    try:
        os.execvpe(given.command[0], given.command, only(os.environ, KINDS[given.kind], given.also))
    except OSError as error:
        sys.exit(f"error: {given.command[0]} can't be started: {error.strerror}")


if __name__ == "__main__":
    main()
