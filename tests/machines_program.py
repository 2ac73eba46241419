"""An operator's program that pretends to rent machines, and writes down each call.

    python machines_program.py FOLDER start 2 | joined | stop

`FOLDER/joining` has how many of the machines that were asked for join; without it, all do.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(folder: Path, action: str, *numbers: str) -> int:
    """Do what was asked for."""
    asked, joining, calls = folder / "asked", folder / "joining", folder / "calls"
    with calls.open("a", encoding="utf-8") as file:
        file.write(" ".join((action, *numbers)) + "\n")
    if (folder / f"{action}-fails").exists():
        sys.stderr.write(f"no {action} today\n")
        return 3
    if action == "start":
        asked.write_text(numbers[0], encoding="utf-8")
    elif action == "joined":
        num_asked = int(asked.read_text(encoding="utf-8")) if asked.exists() else 0
        limit = int(joining.read_text(encoding="utf-8")) if joining.exists() else num_asked
        sys.stdout.write(f"{min(num_asked, limit)}\n")
    else:
        asked.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
