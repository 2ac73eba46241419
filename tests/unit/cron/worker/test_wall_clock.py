"""A clock that is set back is seen, and a busy machine is not taken for one."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from cron.worker.wall_clock import watch_clock


class Machine:
    """Two clocks, and looks at them a second apart; each entry says what happens at a look."""

    def __init__(self, *looks: str) -> None:
        self._looks = list(looks)
        self.found_s: list[float] = []
        self._passed_s = self._back_s = 0.0
        self._paused_s = 0.0  # before the second of the two clocks is read

    def wall_clock(self) -> datetime:
        read_s, self._passed_s = self._passed_s, self._passed_s + self._paused_s
        self._paused_s = 0.0
        return datetime.fromtimestamp(1_000_000.0 + read_s - self._back_s, UTC)

    def monotonic(self) -> float:
        return self._passed_s

    def watch(self) -> list[float]:
        """Return by how much the clock was found to be set back."""
        machine = self

        class Stop(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                if not machine._looks:
                    return True
                machine._passed_s += 1.0
                machine._begin(machine._looks.pop(0))
                return False

        watch_clock(self.wall_clock, self.found_s.append, Stop(), monotonic=self.monotonic)
        return self.found_s

    def _begin(self, look: str) -> None:
        if look == "set back":
            self._back_s += 60.0
        elif look == "paused":
            self._paused_s = 30.0


def test_a_clock_that_is_set_back_is_seen_once() -> None:
    assert Machine("", "set back", "", "").watch() == [60.0]


def test_a_pause_between_two_clocks_is_not_a_change() -> None:
    """On a busy machine the thread may wait for a processor between its looks at the clocks."""
    assert Machine("", "paused", "", "paused", "").watch() == []
    assert Machine("", "paused", "set back", "").watch() == [60.0]
