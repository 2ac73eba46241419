"""The memory of this process, by the kernel's count."""

from __future__ import annotations

from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def memory_mib() -> float:
    """Return what the process has now."""
    return _field_mib("VmRSS")


def peak_mib() -> float:
    """Return the most that it had since `forget_peak`, or since it began."""
    return _field_mib("VmHWM")


def forget_peak() -> None:
    """Begin the measurement of the peak again."""
    _CLEAR.write_text("5", encoding="ascii")


def _field_mib(name: str) -> float:
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith(name))
    return int(line.split()[1]) / 1024
