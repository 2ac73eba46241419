"""`python -m deploy.servers.torchserve`: become TorchServe."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from cron.settings.private_files import keep_private
from deploy.servers.program import MissingPart
from deploy.servers.torchserve.command import Management, Ports, Server, command
from deploy.servers.torchserve.forked_workers import NOT_FORKED, with_forked_workers
from deploy.servers.torchserve.own_files import (
    ServerCannotStart,
    clear_fetched,
    clear_leftovers,
    hold_lock,
)
from deploy.servers.torchserve.signed_archives import with_guard
from deploy.servers.torchserve.without_grpc import OtherTorchServe


def main(argv: list[str] | None = None) -> None:
    """Replace this process by TorchServe."""
    keep_private()
    try:
        _become_torchserve(parse_arguments(argv))
    except (ServerCannotStart, MissingPart, OtherTorchServe, OSError) as error:
        sys.exit(f"error: {error}")


def _become_torchserve(given: argparse.Namespace) -> None:
    ports = Ports(**{name: getattr(given, name) for name in asdict(Ports())})
    management = Management(
        socket=given.socket, tokens=given.tokens or given.remote, remote=given.remote
    )
    hold_lock(given.var)
    clear_leftovers(given.var)
    if given.archives is not None:
        clear_fetched(given.model_store)
    java_argv, env = command(
        Server(
            model_store=given.model_store,
            var=given.var,
            ports=ports,
            management=management,
            heap_mb=given.heap_mb,
            archives=given.archives,
        )
    )
    home = given.var / "torchserve"
    if not given.own_imports:
        java_argv = with_forked_workers(java_argv, env, home=home)
    if given.trusted_keys is not None:
        java_argv, env = with_guard(java_argv, env, home=home, trusted_keys=given.trusted_keys)
    os.chdir(home)  # TorchServe writes files into its working folder
    os.execve(java_argv[0], java_argv, env)


def parse_arguments(argv: Iterable[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.servers.torchserve",
        description="Start an empty TorchServe for Freshet.",
    )
    _add_files(parser)
    _add_workers(parser)
    _add_management(parser)
    parser.add_argument(
        "--heap-mb", type=int, default=512, help="largest Java heap in MB (default: 512)"
    )
    for name, default in asdict(Ports()).items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            type=type(default),
            default=default,
            help=f"default: {default}",
        )
    return parser.parse_args(None if argv is None else list(argv))


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model-store",
        type=Path,
        default=Path("archives"),
        help="folder of the .mar files (default: archives)",
    )
    parser.add_argument(
        "--var",
        type=Path,
        default=Path("var"),
        help="folder of configuration, logs, temporary files (default: var)",
    )
    parser.add_argument(
        "--archives",
        metavar="URL",
        help="also load archives by URLs with this prefix, as s3:// stores give them out "
        "(default: none)",
    )
    parser.add_argument(
        "--trusted-keys",
        type=Path,
        metavar="FILE",
        help="run only archives that one of the public keys in this file signed (default: any)",
    )


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        NOT_FORKED,
        action="store_true",
        help="start a Python for each worker, which imports torch itself (default: workers are "
        "forked from one process and share its imports)",
    )


def _add_management(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tokens",
        action="store_true",
        help="ask every caller for a key of VAR/torchserve/key_file.json",
    )
    parser.add_argument(
        "--socket",
        type=Path,
        help="of its management (default: VAR/management-PORT.sock, with the port of --management)",
    )
    parser.add_argument(
        "--remote",
        action="store_true",
        help="let workers on other hosts manage it, at --host and --management instead of the "
        "socket, with --tokens",
    )


if __name__ == "__main__":
    main()
