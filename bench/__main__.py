"""Run one bench by name, or a suite of them.

    .venv/bin/python -m bench NAME [arguments]      one bench
    .venv/bin/python -m bench [--full] [--only A,B] [--again]      a suite

`python -m bench --help` lists the benches.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from bench import suites
from bench.catalogue import BENCHES, module_name


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments name and return the exit status."""
    if arguments and arguments[0] in BENCHES:
        status: int | None = importlib.import_module(module_name(arguments[0])).main(arguments[1:])
        return status or 0
    return suites.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
