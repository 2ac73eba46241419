"""TrainLauncher for `torchrun:?nproc=2`: processes of this machine, and of others that join.

With `nnodes=1:4&rdzv=HOST:PORT`, other machines join a training, or leave it, while it runs:
`python -m trainer.join` on each of them. The result does not depend on the number of processes.
Each has `train.num_threads` threads.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cron.backends.launch.places import trainings_uri
from cron.backends.launch.trainer_process import TrainerProcess
from cron.local.child_environment import S3
from cron.urls.files import FileUrl
from cron.urls.launchers import Nodes, TorchrunUrl
from cron.urls.s3 import S3Url
from trainer.machine.elastic_agent import ENVIRONMENT, ElasticAgent, Endpoint


def open_launcher(
    url: TorchrunUrl, *, text_cache: Path, artifacts: FileUrl | S3Url
) -> TrainerProcess:
    """Open the launcher of several processes."""
    if url.nodes is not None:
        store = trainings_uri(artifacts) if url.uses_store else None
        return _open_elastic(url.num_processes, url.nodes, text_cache, store)
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone")
    runner = (*torchrun, "--nproc-per-node", str(url.num_processes), "-m", "trainer")
    return TrainerProcess(runner, text_cache=text_cache)


def _open_elastic(
    num_processes: int, nodes: Nodes, text_cache: Path, store: str | None
) -> TrainerProcess:
    agent = ElasticAgent(
        endpoint=Endpoint(host=nodes.host, port=nodes.port),
        num_processes=num_processes,
        min_nodes=nodes.least,
        max_nodes=nodes.most,
    )
    of_trainer = ("--leads", *(("--store", store) if store is not None else ()))
    runner = agent.command(sys.executable, address=nodes.host, is_host=True, of_trainer=of_trainer)
    return TrainerProcess(
        runner,
        text_cache=text_cache,
        also=S3 if store is not None else (),
        settings=ENVIRONMENT,
        restarts=True,
    )
