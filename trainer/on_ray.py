"""The trainer on a Ray cluster, a rank a Ray worker, each with a GPU where the configuration's device is "cuda":

    python -m trainer.on_ray --workers 4 [--address ray://head:10001] --snapshot … --config … --out …

Without an address Ray is started on this machine for the time of the training. Snapshot,
configuration and output must lie in a folder that the workers reach under the same path, and
Freshet must be installed where they run. Ends like `python -m trainer`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from trainer.__main__ import CANNOT, MACHINE, train
from trainer.config import load_config
from trainer.distributed import BACKENDS, PATIENCE

_ROOT = str(Path(__file__).resolve().parents[1])
_JOIN_TRIES = 5
# marks what a rank says of it, on the way through Ray's own errors
_UNFIT = "the trainer can't use its input: "
_MAX_FAILURES = 1  # of workers; they start anew, and the training goes on from its checkpoint


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    os.umask(0o077)  # snapshot and candidate hold what people did
    parser = argparse.ArgumentParser(
        prog="python -m trainer.on_ray",
        description="Train a candidate on a Ray cluster.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--address", help="the cluster, as ray.init takes it; without it one is started here"
    )
    parser.add_argument("--workers", type=int, default=1, help="how many ranks")
    given, of_trainer = parser.parse_known_args(arguments)
    try:
        import ray
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer
    except ImportError:
        sys.stderr.write(
            "trainer: ray:// needs the package ray[train], which is not installed; run: pip install 'freshet[ray]'\n"
        )
        return 1
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told that we train
    out, config = (
        Path(of_trainer[of_trainer.index(name) + 1]).resolve() for name in ("--out", "--config")
    )
    variables = {
        name: os.environ[name]
        for name in ("OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM", "HF_HUB_OFFLINE")
        if name in os.environ
    }
    try:
        device = (
            "cuda" if load_config(config).device == "cuda" else "cpu"
        )  # nobody here knows what GPUs the workers' machines have
        hidden = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
        runtime = {"env_vars": {**variables, **hidden, "PYTHONPATH": _ROOT}}
        dashboard = False if given.address is None else None
        join(
            lambda: ray.init(
                address=given.address,
                runtime_env=runtime,
                include_dashboard=dashboard,
                log_to_driver=True,
            )
        )
        TorchTrainer(
            _rank,
            train_loop_config={"arguments": of_trainer},
            torch_config=TorchConfig(
                backend=BACKENDS[device], timeout_s=round(PATIENCE.total_seconds())
            ),
            scaling_config=ScalingConfig(num_workers=given.workers, use_gpu=device == "cuda"),
            run_config=RunConfig(
                name="freshet",
                storage_path=str(out.parent / "ray"),
                failure_config=FailureConfig(max_failures=_MAX_FAILURES),
            ),
        ).fit()
    except Exception as error:  # whatever Ray says, the caller gets one sentence
        sys.stderr.write(f"{sentence(error)}\n")
        return 1
    finally:
        ray.shutdown()
    return 0


def join(connect: Callable[[], object]) -> None:
    """Connect to the cluster; anew where the head accepts and then gives up, and raise ConnectionAbortedError when it keeps doing so.

    Ray's proxy forks amid its own gRPC threads for each driver, and a few forks in a hundred crash
    (ray-project/ray#63202). Nothing has begun by then.
    """
    for tries_left in reversed(range(_JOIN_TRIES)):
        try:
            connect()
        except ConnectionAbortedError as error:
            if not tries_left:
                raise
            sys.stderr.write(f"on Ray: {_last_line(error)} Joining once more\n")
        else:
            return


def sentence(error: Exception) -> str:
    """Return what the launcher reads: that a rank can't use its input, else a fault of the machine."""
    said = _last_line(error)
    mark, unfit, why = said.partition(_UNFIT)
    return f"trainer: on Ray: {why}" if unfit else f"trainer: machine: on Ray: {mark}"


def _rank(config: dict[str, list[str]]) -> None:
    """Be one rank; Ray has joined the process group already."""
    try:
        train(config["arguments"])
    except MACHINE as error:  # our own classes need not survive the way back
        raise RuntimeError(str(error)) from None
    except CANNOT as error:
        raise RuntimeError(f"{_UNFIT}{error}") from None


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
