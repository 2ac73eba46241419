"""Small executable files in place of programs that need not be installed."""

from __future__ import annotations

from pathlib import Path

_REPORT_CALL = """#!/bin/sh
pwd -P > "$0.called"
printf '%s\\n' "$@" >> "$0.called"
"""


def executable(path: Path) -> Path:
    """Write a program that notes its folder and arguments in `NAME.called` next to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_REPORT_CALL)
    path.chmod(0o755)
    return path


def call_of(program: Path) -> list[str]:
    """Return the folder in which the program was last called, and the arguments."""
    return Path(f"{program}.called").read_text().splitlines()
