"""A `command:` URL whose program pretends to rent machines, and what it was asked."""

from __future__ import annotations

import sys
from pathlib import Path

from tests import machines_program


class PretendedMachines:
    """A folder with the program, its state and its calls."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.program = folder / "machines"
        program = f'exec {sys.executable} {machines_program.__file__} {folder} "$@"'
        self.program.write_text(f"#!/bin/sh\n{program}\n", encoding="utf-8")
        self.program.chmod(0o755)

    def url(self, options: str) -> str:
        return f"command:{self.program}?{options}"

    @property
    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    @property
    def num_rented(self) -> int:
        asked = self.folder / "asked"
        return int(asked.read_text(encoding="utf-8")) if asked.exists() else 0

    def join_only(self, number: int) -> None:
        (self.folder / "joining").write_text(str(number), encoding="utf-8")

    def fail_at(self, action: str) -> None:
        (self.folder / f"{action}-fails").touch()

    def work_again(self) -> None:
        for file in self.folder.glob("*-fails"):
            file.unlink()
