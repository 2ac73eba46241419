"""A checkout whose `.venv` looks complete to the installation; its Python is a script.

The script writes its arguments into `.venv/bin/calls` and ends well, so nothing is installed.
"""

from __future__ import annotations

import json
from pathlib import Path

from deploy.install.environment import STAMP, digest
from deploy.install.requirements import BASE

RECORDS_CALLS = '#!/bin/sh\necho "$@" >> "$(dirname "$0")/calls"\n'


def make_checkout(root: Path) -> Path:
    """Write the checkout into a folder and return the folder."""
    (root / BASE).write_text("")
    (root / ".venv" / "bin").mkdir(parents=True)
    write_python(root, RECORDS_CALLS)
    write_stamp(root, {BASE: digest(root, BASE), "root": str(root)})
    return root


def write_python(root: Path, script: str) -> None:
    """Replace the Python of `.venv`."""
    python = root / ".venv" / "bin" / "python"
    python.write_text(script)
    python.chmod(0o755)


def write_stamp(root: Path, content: dict[str, object]) -> None:
    """Write the record of what is installed."""
    (root / ".venv" / STAMP).write_text(json.dumps(content))


def calls(root: Path, beginning: str = "") -> list[str]:
    """Return the arguments of each call of `.venv`'s Python that begins with these words."""
    file = root / ".venv" / "bin" / "calls"
    lines = file.read_text().splitlines() if file.exists() else []
    return [line for line in lines if line.startswith(beginning)]
