"""The trainer on a Ray cluster: each rank is a Ray worker.

    python -m trainer.on_ray --workers 4 [--least 1] [--address ray://head:10001] \\
        --snapshot … --config … --out …

With `--least`, the training starts with as many workers as the cluster has room for, and starts
again from its checkpoint with fewer or more when machines go or come. Each worker gets a GPU with
`--gpu`, or if the configuration's device is "cuda". Without an address, Ray is started on this
machine for the time of the training. Freshet must be installed where the workers run. They must
reach snapshot, configuration and output under the same path; or with `--store URI`, a place as in
`remote_files/store.py`, through which the files travel. The exit status and the sentence on stderr
are those of `python -m trainer`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from pyarrow.fs import FileSystem

from trainer.__main__ import CANNOT, MACHINE, events_in, train
from trainer.candidate_files import last_checkpoint_ns
from trainer.cluster.joining import join
from trainer.cluster.messages import IN_VAIN, UNFIT, last_line
from trainer.config import TrainConfig, load_config
from trainer.machine import distributed
from trainer.machine.distributed import BACKENDS, PATIENCE
from trainer.machine.preemption import PreemptionNotice
from trainer.machine.sentences import GOES_ON, OF_THE_MACHINE, SENTENCE
from trainer.remote_files.receiver import local_files, stored_progress
from trainer.remote_files.sender import fetch, is_made, newest_checkpoint, progress_shown, send
from trainer.remote_files.store import FileStore, below, open_store

_ROOT = str(Path(__file__).resolve().parents[1])
_WITHOUT_LIMIT = -1  # for Ray; FailureLimit ends what a restart does not help
# Starting again with more workers repeats the steps since the newest checkpoint, and takes seconds.
_SHORTEST_BETWEEN_SIZES_S = 5.0
# Ray notices up to 20 s late that a machine is gone, and would wait a minute for its place.
_PLACES_WITHIN_S = "10"
# What Ray calls in each process that it starts. Through Ray's client, the entry of a runtime
# environment for it has no effect; this variable, which that entry sets elsewhere, does.
_SETUP = {"__RAY_WORKER_PROCESS_SETUP_HOOK_ENV_VAR": "trainer.cluster.quiet_ray.quieten"}
_REFUSED_KEYS = ("AWS Error ACCESS_DENIED", "AWS Error INVALID_ACCESS_KEY_ID", "No credentials")
_WHO_NEEDS_KEYS = (
    "the head and the machines of the cluster need the keys of the bucket in their environment"
)
_PASSED_VARIABLES = ("OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM", "HF_HUB_OFFLINE")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    """The command line: the cluster, the number of ranks, and the trainer's own arguments."""

    address: str | None
    least: int
    most: int
    needs_gpu: bool
    store: str | None
    of_trainer: list[str]

    def path(self, option: str) -> Path:
        """Return the path that an option of the trainer names."""
        return Path(self.of_trainer[self.of_trainer.index(option) + 1]).resolve()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    os.umask(0o077)  # the candidate contains what people did
    command = _parse(arguments)
    try:
        import ray
        import ray.train.torch
    except ImportError:
        sys.stderr.write(
            "trainer: ray:// needs the package ray[train], which is not installed; "
            "run: pip install 'freshet[ray]'\n"
        )
        return 1
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # send no usage reports
    if command.least < command.most:  # Ray passes it on to where it counts
        os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", _PLACES_WITHIN_S)
    has_joined = False
    try:
        # This machine does not know the workers' GPUs, so it does not look.
        config = load_config(command.path("--config"))
        uses_gpu = command.needs_gpu or config.device == "cuda"
        join(
            lambda: ray.init(
                # else Ray would join a cluster of RAY_ADDRESS, or one that ran here and is gone
                address=command.address or "local",
                runtime_env={"env_vars": _variables(os.environ, uses_gpu=uses_gpu)},
                include_dashboard=False if command.address is None else None,
                log_to_driver=True,
            )
        )
        has_joined = True
        _make(command, config, uses_gpu=uses_gpu)
    except Exception as error:  # whatever Ray raises, the caller gets one sentence
        sys.stderr.write(f"{sentence(error, has_joined=has_joined)}\n")
        return 1
    finally:
        ray.shutdown()
    return 0


def _parse(arguments: Sequence[str] | None) -> _Command:
    parser = argparse.ArgumentParser(
        prog="python -m trainer.on_ray",
        description="Train a candidate on a Ray cluster.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--address", help="the cluster, as for ray.init; without it Ray is started here"
    )
    parser.add_argument("--workers", type=int, default=1, help="the number of ranks, at most")
    parser.add_argument("--least", type=int, help="the number at least; without it the same")
    parser.add_argument("--gpu", action="store_true", help="give each rank a GPU")
    parser.add_argument("--store", help="where the files of trainings travel, without a shared one")
    given, of_trainer = parser.parse_known_args(arguments)
    return _Command(
        address=given.address,
        least=given.workers if given.least is None else given.least,
        most=given.workers,
        needs_gpu=given.gpu,
        store=given.store,
        of_trainer=of_trainer,
    )


def _variables(environment: Mapping[str, str], *, uses_gpu: bool) -> dict[str, str]:
    """Return the environment variables of the workers."""
    variables = {name: environment[name] for name in _PASSED_VARIABLES if name in environment}
    if not uses_gpu:
        variables["CUDA_VISIBLE_DEVICES"] = ""
    return {**variables, **_SETUP, "PYTHONPATH": _ROOT}


def _make(command: _Command, config: TrainConfig, *, uses_gpu: bool) -> None:
    """Make the candidate on the cluster that this process has joined."""
    out = command.path("--out")
    if command.store is None:
        _fit(command, config, _shared_files(command.of_trainer, out), uses_gpu=uses_gpu)
        return
    uri = below(command.store, out.parent.name)
    store = open_store(uri)
    if not is_made(store):
        send(store, snapshot=command.path("--snapshot"), config=command.path("--config"))
        with progress_shown(store, out):
            _fit(command, config, _stored_files(uri, store), uses_gpu=uses_gpu)
    fetch(store, out)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """Where the files of a training are: what ranks have to know, and Ray's own folder."""

    of_ranks: Mapping[str, object]
    storage: str
    filesystem: FileSystem | None
    last_checkpoint: Callable[[], object]


def _shared_files(of_trainer: list[str], out: Path) -> _Files:
    return _Files(
        of_ranks={"arguments": of_trainer},
        storage=str(out.parent / "ray"),
        filesystem=None,
        last_checkpoint=partial(last_checkpoint_ns, out),
    )


def _stored_files(uri: str, store: FileStore) -> _Files:
    return _Files(
        of_ranks={"store": uri},
        storage=f"{store.root}/ray",
        filesystem=store.files,
        last_checkpoint=partial(newest_checkpoint, uri),
    )


def _fit(command: _Command, config: TrainConfig, files: _Files, *, uses_gpu: bool) -> None:
    """Train on the cluster that this process has joined."""
    from ray.train.torch import TorchConfig
    from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2.torch.torch_trainer import TorchTrainer

    from trainer.cluster.failures import FailureLimit

    is_elastic = command.least < command.most
    TorchTrainer(
        _rank,
        train_loop_config=dict(files.of_ranks),
        torch_config=TorchConfig(
            backend=BACKENDS["cuda" if uses_gpu else "cpu"],
            timeout_s=round(PATIENCE.total_seconds()),
        ),
        scaling_config=ScalingConfig(
            num_workers=(command.least, command.most) if is_elastic else command.most,
            use_gpu=uses_gpu,
            elastic_resize_monitor_interval_s=max(config.checkpoint_s, _SHORTEST_BETWEEN_SIZES_S),
        ),
        run_config=RunConfig(
            name="freshet",
            storage_path=files.storage,
            storage_filesystem=files.filesystem,
            failure_config=FailureConfig(max_failures=_WITHOUT_LIMIT),
            # Ray takes its other callbacks here too, as its source says.
            callbacks=[FailureLimit(files.last_checkpoint)],  # type: ignore[list-item]
        ),
    ).fit()


def sentence(error: Exception, *, has_joined: bool = False) -> str:
    """Return the sentence for the launcher: an error of the input, or else of the machine.

    Whoever loses a cluster that it has joined may start again, because a head may come back.
    """
    message = last_line(error)
    before, unfit, why = message.partition(UNFIT)
    if unfit:
        return f"{SENTENCE}on Ray: {why}"
    if any(sign in message for sign in _REFUSED_KEYS):
        before = f"{before} With files=store, {_WHO_NEEDS_KEYS}"
    if has_joined and IN_VAIN not in message and GOES_ON not in message:
        return f"{OF_THE_MACHINE}on Ray: {before}; the training {GOES_ON}"
    return f"{OF_THE_MACHINE}on Ray: {before}"


def _rank(config: Mapping[str, object]) -> None:
    """Run the trainer as one rank; Ray has already joined the process group."""
    from trainer.cluster.notice import DrainNotice

    try:
        if "store" in config:
            _train_from_store(str(config["store"]), DrainNotice())
        else:
            train(cast("list[str]", config["arguments"]), DrainNotice())
    except MACHINE as error:  # our own classes may not survive the way back through Ray
        raise RuntimeError(str(error)) from None
    except CANNOT as error:
        raise RuntimeError(f"{UNFIT}{error}") from None


def _train_from_store(uri: str, notice: PreemptionNotice) -> None:
    store = open_store(uri)
    is_first = distributed.rank() == 0
    with local_files(store, is_first=is_first) as here:
        files = {"--snapshot": here.snapshot, "--config": here.config, "--out": here.out}
        arguments = [word for option, path in files.items() for word in (option, str(path))]
        with stored_progress(store, here.out) if is_first else nullcontext():
            train(arguments, notice, events_in(store))


if __name__ == "__main__":
    sys.exit(main())
