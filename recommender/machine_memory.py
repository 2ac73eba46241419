"""Memory of this process and of its machine, as Linux reports it; unknown elsewhere."""

from __future__ import annotations

import ctypes
from pathlib import Path

PROC, CGROUP = Path("/proc"), Path("/sys/fs/cgroup")


def own_bytes(proc: Path = PROC) -> int | None:
    """Return the memory that is neither of files nor shared; None when unknown.

    It is what another process of the same kind needs, since that shares the rest too.
    """
    try:
        return _fields(proc / "self" / "smaps_rollup")["Private_Dirty:"] * 1024
    except (OSError, ValueError, KeyError):
        return None


def available_bytes(proc: Path = PROC, cgroup: Path = CGROUP) -> int | None:
    """Return the bytes that a new process can take without swapping; None when unknown.

    It is the smaller of what the machine and our container have left.
    """
    limits = [
        one for one in (_left_on_machine(proc), _left_in_container(cgroup)) if one is not None
    ]
    return min(limits, default=None)


def _left_on_machine(proc: Path) -> int | None:
    try:
        return _fields(proc / "meminfo")["MemAvailable:"] * 1024
    except (OSError, ValueError, KeyError):
        return None


def _left_in_container(cgroup: Path) -> int | None:
    """Read the control group (version 2) that a container sees at its root.

    Inactive file pages count as available: the kernel frees them on demand.
    """
    try:
        limit = int((cgroup / "memory.max").read_text(encoding="utf-8"))
        used = int((cgroup / "memory.current").read_text(encoding="utf-8"))
        return max(0, limit - used + _fields(cgroup / "memory.stat")["inactive_file"])
    except (OSError, ValueError, KeyError):  # no container, or `max`: no limit
        return None


def _fields(path: Path) -> dict[str, int]:
    return {
        line.split()[0]: int(line.split()[1])
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip() and "[" not in line  # smaps_rollup begins with a range of addresses
    }


def release_freed() -> None:
    """Give memory that was freed back to the machine, where the C library can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
