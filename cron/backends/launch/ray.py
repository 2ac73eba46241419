"""TrainLauncher for a Ray cluster: `ray://HEAD:10001?workers=1:4`, or `ray:?workers=2`.

The Ray driver is a child process, so the limits of every launcher apply. `store.var` must be a
folder that the cluster's machines share, and Freshet must be installed on them. Ray's own variables
(RAY_AUTH_TOKEN and others) are passed on.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from cron.backends.launch.trainer_process import TrainerProcess
from cron.errors import MissingClient
from cron.local.child_environment import RAY
from cron.urls.launchers import RayUrl


def open_launcher(url: RayUrl, *, text_cache: Path) -> TrainerProcess:
    """Open the launcher of a cluster; raise MissingClient."""
    if importlib.util.find_spec("ray") is None:
        raise MissingClient(scheme="ray", package="ray[train,client]", extra="ray")
    address = ("--address", f"ray://{url.head}") if url.head else ()
    driver = (sys.executable, "-m", "trainer.on_ray")
    workers = ("--workers", str(url.most), "--least", str(url.least))
    runner = (*driver, *address, *workers, *(("--gpu",) if url.needs_gpu else ()))
    return TrainerProcess(runner, text_cache=text_cache, also=RAY)
