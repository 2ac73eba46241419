"""TrainLauncher for `process:`: runs `python -m trainer` as a child process."""

from __future__ import annotations

import sys
from pathlib import Path

from cron.backends.launch.trainer_process import TrainerProcess


def open_launcher(*, text_cache: Path) -> TrainerProcess:
    """Open the launcher of one process."""
    return TrainerProcess((sys.executable, "-m", "trainer"), text_cache=text_cache)
