"""The memory left for another process, from Linux's files; unknown without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender.machine_memory import available_bytes, own_bytes, release_freed

MEMINFO = (
    "MemTotal:       16000000 kB\nMemFree:          100000 kB\n"
    "MemAvailable:    2000000 kB\nHugePages_Total:       0\n"
)
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
def test_available_is_the_least_of_machine_and_container(
    tmp_path: Path, limit: str, used: str, inactive: int, left: int
) -> None:
    proc = files(tmp_path / "proc", {"meminfo": MEMINFO})
    stat = f"anon 800000000\ninactive_file {inactive}\n"
    cgroup = files(
        tmp_path / "cgroup", {"memory.max": limit, "memory.current": used, "memory.stat": stat}
    )
    assert available_bytes(proc, cgroup) == left


def test_memory_is_unknown_without_the_files(tmp_path: Path) -> None:
    assert available_bytes(tmp_path, tmp_path) is None
    assert own_bytes(tmp_path) is None
    assert (
        available_bytes(files(tmp_path / "proc", {"meminfo": "MemTotal: many kB\n"}), tmp_path)
        is None
    )


def test_this_process_has_memory_and_some_is_available() -> None:
    held = bytearray(50_000_000)
    own, available = own_bytes(), available_bytes()
    assert own is not None
    assert available is not None
    assert own > len(held)
    assert available > 0


def test_memory_that_was_freed_can_be_given_back() -> None:
    freed = [bytearray(1_000) for _ in range(100_000)]
    before = own_bytes()
    freed.clear()
    release_freed()
    after = own_bytes()
    assert before is not None
    assert after is not None
    assert after < before - 50_000_000
