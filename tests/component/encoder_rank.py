"""One rank of a test: it takes steps with encoders, one after the other.

    python -m tests.component.encoder_rank TASKS.json

With one rank, `main` does the same in the process of the test.
"""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from recommender.config import EncoderConfig
from recommender.encoder.encoder import load_encoder
from trainer.codec import decode
from trainer.config import EncoderMemoryConfig, TrainConfig
from trainer.learning.trained_encoder import TrainedEncoder
from trainer.machine import distributed

TEXTS = ["a film", "a long film about a ship and a whale", "ship", "a b c", "whale b"]
LR = 1e-3
TASKS, AFTER, SERVED = "tasks.json", "after.safetensors", "served.safetensors"
HELD = "held-by-rank-"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderTask:
    """Take steps with an encoder, and write its state into `folder`; begin with that of `start`."""

    folder: str
    encoder: EncoderConfig
    memory: EncoderMemoryConfig
    num_steps: int
    start: str | None = None


def take_steps(task: EncoderTask) -> None:
    """Train on this rank, and write how many bytes of tensors it holds between two steps.

    The first one writes the state after the steps, and the vectors.
    """
    config = TrainConfig(encoder=task.encoder, encoder_memory=task.memory, step_limit_s=120.0)
    trained = TrainedEncoder(load_encoder(task.encoder, device="cpu"), config)
    is_first = distributed.rank() == 0
    if task.start is not None:
        trained.weights.load(load_file(Path(task.start) / AFTER) if is_first else {})
    for _ in range(task.num_steps):
        loss = _loss(trained.read(TEXTS))
        if loss is not None:
            loss.backward()  # type: ignore[no-untyped-call]
        distributed.add_up([*trained.gradients(), torch.zeros(1)], limit_s=120.0)
        trained.step(lr=LR)
    folder = Path(task.folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{HELD}{distributed.rank()}").write_text(str(_held_bytes()), encoding="ascii")
    own_MT = trained.encode(TEXTS[distributed.rank() :])  # unequal numbers of texts
    state = trained.weights.state()
    encoder = trained.finish()
    if is_first:
        save_file(state, folder / AFTER)
        served = {"vectors": own_MT.contiguous(), "served": encoder.encode(TEXTS)}
        save_file(served, folder / SERVED)


def _held_bytes() -> int:
    """Return the bytes of all tensors that are alive in this process; shared ones count once."""
    gc.collect()
    alive = [one for one in gc.get_objects() if issubclass(type(one), torch.Tensor)]
    storages = [getattr(one, "_local_tensor", one).untyped_storage() for one in alive]
    return sum({one.data_ptr(): one.nbytes() for one in storages}.values())


def _loss(raw_PR: Tensor) -> Tensor | None:
    """Return this rank's part of a loss of which each text's part depends on all others."""
    logits_PP = raw_PR @ raw_PR.T / raw_PR.shape[1]
    wanted_P = torch.arange(len(raw_PR)).roll(1)
    rows = list(distributed.share(range(len(raw_PR))))
    losses_P = torch.nn.functional.cross_entropy(logits_PP, wanted_P, reduction="none")
    return losses_P[rows].sum() if rows else None


def main(file: Path) -> None:
    """Do all tasks of a file."""
    torch.set_num_threads(1)
    for task in decode(file.read_text(encoding="utf-8"), list[EncoderTask]):
        take_steps(task)


if __name__ == "__main__":
    with distributed.process_group(torch.device("cpu")):
        main(Path(sys.argv[1]))
