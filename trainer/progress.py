"""The progress of a training: `progress.json` in the work folder, and a bar on a terminal.

Only the first rank writes and shows it.
"""

from __future__ import annotations

import json
import math
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from trainer.machine.durable_files import replace_text

EVERY_S = 0.5


class Progress:
    """Progress that is written at most twice a second; not at all when `folder` is None."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._bar: tqdm[NoReturn] | None = None
        self._written_s = -math.inf
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
        if self._bar is not None:
            self._bar.close()
        hidden = self._folder is None or not sys.stderr.isatty() or not name
        self._bar = tqdm(total=total, desc=name, disable=hidden, leave=False)
        if name:
            self._write(0, total, None)

    def step(self, done: int, total: int, loss: float | None = None) -> None:
        """Report that `done` of `total` steps are done."""
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)
        if done == total or time.monotonic() - self._written_s > EVERY_S:
            self._write(done, total, loss)

    def end(self) -> None:
        """End the last phase."""
        self.phase("")

    def _write(self, done: int, total: int, loss: float | None) -> None:
        if self._folder is None:
            return
        self._written_s = time.monotonic()
        finite = loss if loss is not None and math.isfinite(loss) else None
        state = {"phase": self._phase, "done": done, "total": total, "loss": finite}
        with suppress(OSError):  # when the disk is full, the training goes on unwatched
            replace_text(self._folder / "progress.json", json.dumps(state), durable=False)
