"""TrainLauncher for `torchrun:?nproc=2`: processes of this machine (DDP over gloo).

The result does not depend on the number of processes. Each has `train.num_threads` threads.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cron.backends.launch.trainer_process import TrainerProcess


def open_launcher(num_processes: int, *, text_cache: Path) -> TrainerProcess:
    """Open the launcher of several processes."""
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone")
    runner = (*torchrun, "--nproc-per-node", str(num_processes), "-m", "trainer")
    return TrainerProcess(runner, text_cache=text_cache)
