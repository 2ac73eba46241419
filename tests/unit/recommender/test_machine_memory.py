"""How much memory is left for another process: what Linux's files say, and nothing where they are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender.machine_memory import available_bytes, own_bytes

MEMINFO = "MemTotal:       16000000 kB\nMemFree:          100000 kB\nMemAvailable:    2000000 kB\nHugePages_Total:       0\n"
MACHINE = 2_000_000 * 1024


def files(folder: Path, contents: dict[str, str]) -> Path:
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("limit", "used", "inactive", "left"),
    [
        ("1000000000\n", "900000000\n", 50_000_000, 150_000_000),
        ("1000000000\n", "1000000100\n", 0, 0),
        ("9000000000\n", "900000000\n", 0, MACHINE),
        ("max\n", "900000000\n", 0, MACHINE),
    ],
)
def test_a_container_has_what_its_limit_leaves_and_the_machine_has(
    tmp_path: Path, limit: str, used: str, inactive: int, left: int
) -> None:
    proc = files(tmp_path / "proc", {"meminfo": MEMINFO})
    stat = f"anon 800000000\ninactive_file {inactive}\n"
    cgroup = files(
        tmp_path / "cgroup", {"memory.max": limit, "memory.current": used, "memory.stat": stat}
    )
    assert available_bytes(proc, cgroup) == left


def test_nothing_is_known_where_nothing_is_told(tmp_path: Path) -> None:
    assert available_bytes(tmp_path, tmp_path) is None
    assert own_bytes(tmp_path) is None
    assert (
        available_bytes(files(tmp_path / "proc", {"meminfo": "MemTotal: many kB\n"}), tmp_path)
        is None
    )


def test_this_process_takes_memory_and_leaves_some() -> None:
    held = bytearray(50_000_000)
    own, available = own_bytes(), available_bytes()
    assert own is not None
    assert available is not None
    assert own > len(held)
    assert available > 0
