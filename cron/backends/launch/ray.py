"""TrainLauncher on a Ray cluster: `ray://HEAD:10001?workers=4`, or `ray:?workers=2` for a cluster of this machine's own.

The Ray driver is a child process of ours, so that limits and ends are those of every launcher.
`store.var` must be a folder that the cluster's machines share, and Freshet be installed on them.
Ray's own variables (RAY_AUTH_TOKEN and others) are passed on.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cron.backends.launch.trainer_process import TrainerProcess
from cron.errors import MissingClient
from cron.local.child_environment import RAY


def wrong_url(url: str) -> str | None:
    """Return what was expected when a URL is none of ours; None when it is one."""
    options = _options(url)
    workers = options.pop("workers", "1")
    try:
        port = urlsplit(url).port
        fine = (
            not options
            and workers.isdigit()
            and int(workers) > 0
            and (port is not None) == bool(urlsplit(url).netloc)
        )
    except ValueError:  # a port that is no number, or over 65535
        fine = False
    return (
        None
        if fine
        else "ray://HOST:PORT?workers=N, or ray:?workers=N for a cluster on this machine"
    )


def open_launcher(url: str, *, text_cache: Path) -> TrainerProcess:
    """Open the launcher of a URL that is not wrong; raise MissingClient."""
    if importlib.util.find_spec("ray") is None:
        raise MissingClient(scheme="ray", package="ray[train,client]", extra="ray")
    place = urlsplit(url).netloc
    address = ("--address", f"ray://{place}") if place else ()
    runner = (
        sys.executable,
        "-m",
        "trainer.on_ray",
        *address,
        "--workers",
        _options(url).get("workers", "1"),
    )
    return TrainerProcess(runner, text_cache=text_cache, also=RAY)


def _options(url: str) -> dict[str, str]:
    return {
        name: values[-1]
        for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()
    }
