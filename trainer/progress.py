"""The progress of a training: `progress.json` in the work folder, and a bar or lines.

Only the first rank writes and shows it.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from recommender.long_work import PhaseLines
from trainer.candidate_files import PROGRESS
from trainer.machine.durable_files import replace_text

EVERY_S = 0.5


class Progress:
    """Progress that is written at most twice a second; not at all when `folder` is None.

    `facts` say where the training runs, for whoever watches.
    """

    def __init__(self, folder: Path | None, facts: Mapping[str, object] | None = None) -> None:
        self._folder = folder
        before = _of_earlier_starts(folder)
        self._facts = {**(facts or {}), "starts": 1 + int(before.get("starts", 0))}
        self._num_ranks = int(str(self._facts.get("ranks", 1)))
        self._device_s_before = float(before.get("device_s", 0.0))
        self._created_s = time.monotonic()
        self._num_events, self._first_done = 0, 0
        self._bar: tqdm[NoReturn] | None = None
        self._lines = PhaseLines(_log_line)
        self._written_s = -math.inf
        self._reached: tuple[int, int, float | None] = (0, 1, None)
        self._phase = ""
        self._started_s = time.monotonic()
        self.seconds: dict[str, float] = {}

    def phase(self, name: str, total: int = 1) -> None:
        """End the phase before and begin one of `total` steps."""
        now_s = time.monotonic()
        if self._phase:
            self.seconds[self._phase] = round(
                self.seconds.get(self._phase, 0.0) + now_s - self._started_s, 3
            )
        self._phase, self._started_s = name, now_s
        self._num_events, self._first_done = 0, 0
        if self._bar is not None:
            self._bar.close()
        hidden = self._folder is None or not sys.stderr.isatty() or not name
        self._bar = tqdm(total=total, desc=name, disable=hidden, leave=False)
        self._show_line(0, total)
        if name:
            self._write(0, total, None)

    def add_part(self, name: str, took_s: float) -> None:
        """Note what a part of a phase took, whose own time includes it."""
        self.seconds[name] = round(took_s, 3)

    def go_on(self, done: int, total: int) -> None:
        """Report that so many steps of this phase were done before, which count for no speed."""
        if not self._num_events:
            self._first_done = done
            self._write(done, total, None)

    def step(
        self, done: int, total: int, loss: float | None = None, *, num_events: int = 0
    ) -> None:
        """Report that `done` of `total` steps are done, the last one with some events."""
        self._num_events += num_events
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)
        self._show_line(done, total)
        if done == total or time.monotonic() - self._written_s > EVERY_S:
            self._write(done, total, loss)

    def alive(self) -> None:
        """Report that a long step goes on, at most twice a second."""
        if time.monotonic() - self._written_s > EVERY_S:
            self._write(*self._reached)

    def end(self) -> None:
        """End the last phase."""
        self.phase("")

    @property
    def device_s(self) -> float:
        """The seconds of all ranks together, those of earlier starts included.

        An earlier start counts up to the last time that its progress was written.
        """
        passed_s = time.monotonic() - self._created_s
        return round(self._device_s_before + self._num_ranks * passed_s, 3)

    def _show_line(self, done: int, total: int) -> None:
        """Log how far the phase is if a line is due; a terminal has a bar instead."""
        if self._folder is not None and not sys.stderr.isatty():
            share = f"{done / total:.0%} done" if done and total else ""
            self._lines.show(self._phase, share)

    def _write(self, done: int, total: int, loss: float | None) -> None:
        if self._folder is None:
            return
        self._written_s, self._reached = time.monotonic(), (done, total, loss)
        finite = loss if loss is not None and math.isfinite(loss) else None
        state = {
            **self._facts,
            "phase": self._phase,
            "done": done,
            "total": total,
            "loss": finite,
            "device_s": self.device_s,
            **self._speed(done, total),
        }
        with suppress(OSError):  # when the disk is full, the training goes on unwatched
            replace_text(self._folder / PROGRESS, json.dumps(state), durable=False)

    def _speed(self, done: int, total: int) -> dict[str, float]:
        """Return events a second and the seconds that are left, once both are known."""
        passed_s = time.monotonic() - self._started_s
        if done <= self._first_done or passed_s <= 0 or not self._num_events:
            return {}
        return {
            "events_s": round(self._num_events / passed_s, 1),
            "left_s": round((total - done) * passed_s / (done - self._first_done), 1),
        }


def _log_line(state: str) -> None:
    sys.stderr.write(f"training: {state}\n")
    sys.stderr.flush()


def _of_earlier_starts(folder: Path | None) -> Mapping[str, float]:
    """Return the progress that an earlier start of this training left; empty without one."""
    if folder is None:
        return {}
    try:
        found = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
        return {name: float(found.get(name, 0)) for name in ("starts", "device_s")}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
