"""The memory of each rank that trains an encoder, with all weights or a part of them.

`python -m bench encoder_memory` starts each rank as `python -m bench.speed.encoder_ranks`. Memory
is the most that a rank had in its third step, without what it had before it loaded the encoder:
weights, gradients, the optimiser's moments, and what the step computes.
"""

from __future__ import annotations

import gc
import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from bench.speed.process_memory import forget_peak, memory_mib, peak_mib
from cron.project_root import PROJECT_ROOT
from recommender.config import EncoderConfig
from recommender.encoder.encoder import load_encoder
from recommender.machine_memory import release_freed
from trainer.codec import decode, encode
from trainer.config import EncoderMemoryConfig, TrainConfig
from trainer.learning.trained_encoder import TrainedEncoder
from trainer.machine import distributed
from trainer.machine.memory import keep_freed_memory

NUM_STEPS = 3  # the optimiser has its moments after the first
LIMIT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RankTask:
    """What the ranks train, and how; without `model` the encoder is MiniLM."""

    texts: tuple[str, ...]
    model: str | None = None
    memory: EncoderMemoryConfig = field(default_factory=EncoderMemoryConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCost:
    """The MiB of a rank, and its seconds of the processor for a step."""

    mib: float
    seconds: float


def measure_ranks(task: RankTask, num_ranks: int) -> RankCost:
    """Train on several ranks; return the cost of the rank that needs most."""
    with tempfile.TemporaryDirectory() as folder:
        place = {"WORLD_SIZE": str(num_ranks), "FRESHET_RENDEZVOUS": f"file://{folder}/meeting"}
        ranks = [
            subprocess.Popen(
                [sys.executable, "-m", "bench.speed.encoder_ranks"],
                cwd=PROJECT_ROOT,
                env={**os.environ, **place, "RANK": str(rank)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(num_ranks)
        ]
        for rank in ranks:
            assert rank.stdin is not None
            rank.stdin.write(encode(task))
            rank.stdin.close()
        costs = [decode(_answer(rank), RankCost) for rank in ranks]
    return RankCost(
        mib=max(cost.mib for cost in costs), seconds=max(cost.seconds for cost in costs)
    )


def _answer(rank: subprocess.Popen[str]) -> str:
    assert rank.stdout is not None
    found = rank.stdout.read()
    if rank.wait() != 0:
        raise RuntimeError(f"a rank of the bench ended with status {rank.returncode}")
    return found


def _cost(task: RankTask) -> RankCost:
    """Take the steps on this rank."""
    before_mib = _memory_of_code()
    encoder = load_encoder(_config(task), device="cpu")
    config = TrainConfig(encoder_memory=task.memory, step_limit_s=LIMIT_S)
    trained = TrainedEncoder(encoder, config)
    # as a training does before its steps
    keep_freed_memory(but_large_blocks=task.memory.divide_weights)
    began_s = 0.0
    for step in range(NUM_STEPS):
        if step == NUM_STEPS - 1:
            forget_peak()
            began_s = time.process_time()
        _take_step(trained, task.texts)
    seconds = time.process_time() - began_s
    return RankCost(mib=peak_mib() - before_mib, seconds=seconds)


def _config(task: RankTask) -> EncoderConfig:
    minilm = EncoderConfig(train="full")
    return minilm if task.model is None else replace(minilm, model=task.model)


def _memory_of_code() -> float:
    """Return the MiB of the process once all libraries are loaded, and no encoder is."""
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)]).step()
    for library in ("torch.distributed.fsdp", "torch.distributed.tensor"):
        importlib.import_module(library)
    load_encoder(EncoderConfig(), device="cpu")
    gc.collect()
    release_freed()
    return memory_mib()


def _take_step(trained: TrainedEncoder, texts: Sequence[str]) -> None:
    share = trained.read(texts)[distributed.rank() :: distributed.num_ranks()]
    share.square().sum().backward()  # type: ignore[no-untyped-call]
    distributed.add_up([*trained.gradients(), torch.zeros(1)], limit_s=LIMIT_S)
    trained.step(lr=1e-5)


def main() -> None:
    """Be one rank: read the task, and print the cost."""
    torch.set_num_threads(1)
    task = decode(sys.stdin.read(), RankTask)
    with distributed.process_group(torch.device("cpu")):
        print(encode(_cost(task)), flush=True)


if __name__ == "__main__":
    main()
