"""TrainLauncher that runs `python -m trainer` as a child process of this machine: `process:`."""

from __future__ import annotations

import sys
from pathlib import Path

from cron.backends.launch.trainer_process import TrainerProcess


def open_launcher(url: str, *, text_cache: Path) -> TrainerProcess:
    """Open the launcher of `process:`; the URL has no options."""
    del url
    return TrainerProcess((sys.executable, "-m", "trainer"), text_cache=text_cache)
