"""TrainLauncher that spreads a training over processes of this machine with torchrun (DDP over gloo): `torchrun:?nproc=2`.

The result does not depend on the number of processes. `train.num_threads` counts for each of them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cron.backends.launch.trainer_process import TrainerProcess


def wrong_url(url: str) -> str | None:
    """Return what was expected when a URL is none of ours; None when it is one."""
    options = _options(url)
    number = options.pop("nproc", "1")
    fine = not options and number.isdigit() and int(number) > 0
    return None if fine else "torchrun:?nproc=N with N processes, at least 1"


def open_launcher(url: str, *, text_cache: Path) -> TrainerProcess:
    """Open the launcher of a URL that is not wrong; without `nproc` it is one process."""
    number = _options(url).get("nproc", "1")
    runner = (
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        number,
        "-m",
        "trainer",
    )
    return TrainerProcess(runner, text_cache=text_cache)


def _options(url: str) -> dict[str, str]:
    return {
        name: values[-1]
        for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()
    }
