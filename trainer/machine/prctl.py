"""Requests to the Linux kernel about parent and child processes; elsewhere they do nothing."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


def die_with_parent(signal_number: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send this process a signal when its parent dies, even by SIGKILL."""
    _prctl(_PR_SET_PDEATHSIG, signal_number)


def adopt_orphans(*, adopt: bool) -> None:
    """Become, or stop being, the parent of descendants whose own parent dies."""
    _prctl(_PR_SET_CHILD_SUBREAPER, int(adopt))


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
