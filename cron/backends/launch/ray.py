"""TrainLauncher for a Ray cluster: `ray://HEAD:10001?workers=1:4`, or `ray:?workers=2`.

The Ray driver is a child process, so the limits of every launcher apply. Freshet must be installed
on the cluster's machines. They share the folder `store.var`, or reach the artifact store, whose
keys they have in their own environment. Ray's own variables (RAY_AUTH_TOKEN and others) are passed
to the driver.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from cron.backends.launch.places import trainings_uri
from cron.backends.launch.trainer_process import TrainerProcess
from cron.errors import MissingClient
from cron.local.child_environment import RAY, S3
from cron.urls.files import FileUrl
from cron.urls.launchers import RayUrl
from cron.urls.s3 import S3Url
from trainer.remote_files.sender import newest_checkpoint
from trainer.remote_files.store import below


def open_launcher(url: RayUrl, *, text_cache: Path, artifacts: FileUrl | S3Url) -> TrainerProcess:
    """Open the launcher of a cluster; raise MissingClient, or WrongUrl for the artifact store."""
    if importlib.util.find_spec("ray") is None:
        raise MissingClient(scheme="ray", package="ray[train,client]", extra="ray")
    address = ("--address", f"ray://{url.head}") if url.head else ()
    driver = (sys.executable, "-m", "trainer.on_ray")
    workers = ("--workers", str(url.most), "--least", str(url.least))
    gpu = ("--gpu",) if url.needs_gpu else ()
    runner = (*driver, *address, *workers, *gpu)
    if not url.uses_store:
        return TrainerProcess(runner, text_cache=text_cache, also=RAY)
    store = trainings_uri(artifacts)
    return TrainerProcess(
        (*runner, "--store", store),
        text_cache=text_cache,
        also=(*RAY, *S3),
        last_checkpoint=lambda out: _newest(below(store, out.parent.name)),
    )


def _newest(uri: str) -> str | None:
    """Return the name of the newest stored checkpoint; None without one, or without the store."""
    try:
        return newest_checkpoint(uri)
    except OSError:
        return None
