"""Shell scripts that TorchServe starts in place of Python."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Sequence
from pathlib import Path

_OPTION = "--python"


def python_of(java: Sequence[str]) -> str:
    """Return the Python with which a command of TorchServe starts workers."""
    return java[java.index(_OPTION) + 1]


def with_python(java: Sequence[str], program: Path) -> list[str]:
    """Return the command with another program in place of Python."""
    command = list(java)
    command[command.index(_OPTION) + 1] = str(program)
    return command


def in_place_of_python(words: Sequence[str]) -> str:
    """Return a script that runs a command, to which the arguments of Python are added."""
    return f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n'


def write_program(file: Path, text: str) -> Path:
    """Write an executable file of this account alone."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(stat.S_IRWXU)
    return file
