"""The command line: `python -m cron VERB`, installed as `freshet VERB`.

    python -m cron status
    python -m cron rollback
    python -m cron VERB --help

Exit status: 0 for success, 1 for failure (with one sentence on stderr), 2 for wrong arguments or
settings.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from cron.errors import FreshetError, MissingClient, SettingsError

if TYPE_CHECKING:  # it needs packages that a Python without the requirements lacks
    from cron.settings.file import Loaded

VERBS = (
    "worker",
    "run-once",
    "ingest",
    "replay",
    "visit",
    "recommend",
    "relay",
    "follow",
    "forget",
    "adopt",
    "status",
    "runs",
    "releases",
    "promote",
    "rollback",
    "pause",
    "resume",
    "trial",
    "experiment",
    "evaluate",
    "keys",
    "copy",
    "config",
)


_OWN = ("copywriter", "cron", "recommender", "sources", "trainer")


class Verb(Protocol):
    """The interface of a module in `cron.verbs`."""

    SUMMARY: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the verb's own arguments."""
        ...

    def run(self, arguments: argparse.Namespace, loaded: Loaded) -> int:
        """Run the verb and return the exit status."""
        ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status."""
    try:
        return _run(arguments)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package in _OWN:
            raise
        sys.stderr.write(
            f"{sys.executable} lacks the package {package}; `make install` makes a Python with all "
            "of requirements.txt: run .venv/bin/python -m cron\n"
        )
        return 2


def _run(arguments: Sequence[str] | None) -> int:
    from cron.settings.file import load_settings
    from cron.settings.private_files import close_to_others, keep_private

    umask = keep_private()
    parsed = build_parser().parse_args(arguments)
    parsed.umask = umask  # for files that are meant for others
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The name of a file need not be valid in any encoding.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        loaded = load_settings(parsed.config, os.environ)
        close_to_others(loaded.settings.store)
        status = verb(parsed.verb).run(parsed, loaded)
        sys.stdout.flush()  # now, while a failure can still be reported
        return status
    except FreshetError as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, SettingsError | MissingClient) else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        _discard_output()
        return 0
    except OSError as error:
        if error.filename is not None:  # such as an output file in a folder that is missing
            sys.stderr.write(f"{error.filename}: {error.strerror}\n")
            return 1
        if _output_works():
            raise
        _discard_output()
        sys.stderr.write(
            f"the output could not be written ({error.strerror}); "
            "write it elsewhere, or free space there\n"
        )
        return 1


def _output_works() -> bool:
    """Return whether standard output accepts a line; if so, another file failed."""
    try:
        os.write(sys.stdout.fileno(), b"\n")
    except OSError:
        return False
    return True


def _discard_output() -> None:
    """Redirect standard output to /dev/null, so that Python's flush at exit does not fail too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    parser = argparse.ArgumentParser(
        prog="python -m cron", description="Freshet: train, judge and publish recommenders."
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings file (default: FRESHET_CONFIG, or deploy/local.toml)",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name in VERBS:
        module = verb(name)
        module.add_arguments(
            verbs.add_parser(
                name, help=module.SUMMARY, description=module.SUMMARY, parents=[shared]
            )
        )
    return parser


def verb(name: str) -> Verb:
    """Return the module of a verb."""
    return cast(Verb, import_module("cron.verbs." + name.replace("-", "_")))


if __name__ == "__main__":
    sys.exit(main())
