"""Replace this process by a command that sees only the environment variables of its kind: a supervisor hands its own to all.

    python -m deploy.servers.confined worker -- python -m cron worker
    python -m deploy.servers.confined server --with FLINK_CONF_DIR -- java ...

Knows the kinds; does not know what the commands do.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from cron.local.child_environment import GATEWAY, SYSTEM, WORKER, only

KINDS: Mapping[str, Sequence[str]] = {"gateway": GATEWAY, "worker": WORKER, "server": SYSTEM}


def confined(kind: str, command: Sequence[str], *, also: Sequence[str] = ()) -> list[str]:
    """Return the command that becomes `command`, with the variables of its kind and those that `also` names."""
    return [
        sys.executable,
        "-m",
        "deploy.servers.confined",
        kind,
        *(word for name in also for word in ("--with", name)),
        "--",
        *command,
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Become the command."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.servers.confined",
        description="Run a command without what it has no use for.",
    )
    parser.add_argument("kind", choices=tuple(KINDS))
    parser.add_argument(
        "--with",
        dest="also",
        action="append",
        default=[],
        metavar="NAME",
        help="a variable on top; repeatable",
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
