"""The rooms of bench/ and who may import whom."""

from __future__ import annotations

import re

from cron.project_root import PROJECT_ROOT

ROOMS = ("data", "report", "contestants", "scale", "ranking", "speed", "decisions")  # lowest first
IMPORT = re.compile(r"^ *from bench\.(\w+)", re.MULTILINE)


def test_a_room_imports_only_from_rooms_below_it() -> None:
    upward = [
        f"{file.relative_to(PROJECT_ROOT)} imports bench.{imported}"
        for level, room in enumerate(ROOMS)
        for file in sorted((PROJECT_ROOT / "bench" / room).glob("*.py"))
        for imported in IMPORT.findall(file.read_text())
        if imported not in ROOMS[: level + 1]
    ]
    assert upward == []
