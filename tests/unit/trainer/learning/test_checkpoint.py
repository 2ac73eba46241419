"""A training that ends anywhere goes on from its checkpoint as if it had not ended."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recommender.config import ModelConfig
from recommender.network.model import Baseline, new_model
from tests.unit.trainer.machine.test_device import (
    CONFIG,
    LARGE,
    NUM_ITEMS,
    facts,
    sequences,
)
from trainer.candidate_files import CHECKPOINT_BEFORE, NEWEST_CHECKPOINT
from trainer.learning.checkpoint import Checkpoints
from trainer.learning.loop import Schedule, Watch, train
from trainer.learning.optimizer import Optimizer
from trainer.learning.trainee import FixedFacts, Trainee
from trainer.machine.preemption import Preempted
from trainer.progress import Progress

EPOCHS = 3
NUM_STEPS = 15  # of the whole training
SHAPE = ModelConfig(text_dim=8, dim=16, num_layers=1, max_history=5, dropout=0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a training left: all weights and optimiser states, its losses, and its own steps."""

    tensors: dict[str, Tensor]
    losses: tuple[float, ...]
    num_steps: int


def checkpoints_in(folder: Path, *, key: str = "a run", max_share: float = math.inf) -> Checkpoints:
    return Checkpoints(folder, key=key, every_s=0.0, max_share=max_share)


def run(
    checkpoints: Checkpoints | None,
    *,
    ends_at: int | None = None,
    is_large: bool = False,
    warm: bool = False,
) -> Ended:
    """Train, or begin to: the notice comes before the step `ends_at`, whose end is the last."""
    torch.manual_seed(0)
    model = new_model(SHAPE, NUM_ITEMS)
    assert not isinstance(model, Baseline)
    model.rating_mean.fill_(3.0)
    optimizer = Optimizer(model, weight_decay=0.01)
    if warm:
        optimizer.begin_update()
    asked: list[int] = []

    def is_preempted() -> bool:
        asked.append(1)
        return len(asked) == ends_at

    learned = train(
        Trainee(model=model, optimizer=optimizer, source=FixedFacts(facts())),
        sequences(),
        config=replace(LARGE if is_large else CONFIG, num_threads=1),
        schedule=Schedule(epochs=EPOCHS, lr=1e-2, warm=warm),
        checkpoints=checkpoints,
        watch=Watch(progress=Progress(None), check=lambda: None, is_preempted=is_preempted),
    )
    tensors = {**model.state_dict(), **optimizer.whole_state()}
    return Ended(tensors=tensors, losses=learned.losses, num_steps=len(asked))


def assert_same(found: Ended, expected: Ended) -> None:
    assert found.losses == expected.losses
    assert found.tensors.keys() == expected.tensors.keys()
    for name, tensor in expected.tensors.items():
        assert torch.equal(found.tensors[name], tensor), name


@pytest.mark.parametrize("warm", [False, True], ids=["full", "update"])
@pytest.mark.parametrize("is_large", [False, True], ids=["small", "large"])
def test_a_training_goes_on_after_each_of_its_steps(
    tmp_path: Path, *, is_large: bool, warm: bool
) -> None:
    """Bit for bit, in a catalogue whose rows defer their steps too."""
    expected = run(None, is_large=is_large, warm=warm)
    assert expected.num_steps == NUM_STEPS
    for ends_at in (1, 4, 5, 7, NUM_STEPS):
        folder = tmp_path / str(ends_at)
        with pytest.raises(Preempted):
            run(checkpoints_in(folder), ends_at=ends_at, is_large=is_large, warm=warm)
        found = run(checkpoints_in(folder), is_large=is_large, warm=warm)
        assert found.num_steps == NUM_STEPS - ends_at, "no step is repeated"
        assert_same(found, expected)


def test_one_that_ends_again_and_again_comes_to_its_end(tmp_path: Path) -> None:
    for _ in range(NUM_STEPS // 2):
        with pytest.raises(Preempted):
            run(checkpoints_in(tmp_path), ends_at=2)
    assert_same(run(checkpoints_in(tmp_path)), run(None))


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_the_one_before_a_damaged_checkpoint_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    for _ in range(2):
        with pytest.raises(Preempted):
            run(checkpoints_in(tmp_path), ends_at=2)
    newest = tmp_path / NEWEST_CHECKPOINT
    content = newest.read_bytes()
    changed = content[:-1] + bytes([content[-1] ^ 1])
    newest.write_bytes({"cut": content[:-100], "changed": changed, "empty": b""}[damage])
    with caplog.at_level(logging.WARNING):
        found = run(checkpoints_in(tmp_path))
    assert "the one before is used" in caplog.text
    assert NUM_STEPS - found.num_steps in (2, 3), "the newest but one had so many"
    assert_same(found, run(None))


def test_without_a_whole_checkpoint_it_begins_again(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(Preempted):
            run(checkpoints_in(tmp_path), ends_at=2)
    for name in (NEWEST_CHECKPOINT, CHECKPOINT_BEFORE):
        (tmp_path / name).write_bytes(b"nothing")
    found = run(checkpoints_in(tmp_path))
    assert found.num_steps == NUM_STEPS
    assert_same(found, run(None))


def test_a_checkpoint_of_another_run_is_ignored(tmp_path: Path) -> None:
    with pytest.raises(Preempted):
        run(checkpoints_in(tmp_path, key="another run"), ends_at=3)
    assert run(checkpoints_in(tmp_path)).num_steps == NUM_STEPS


def test_a_disk_that_takes_none_does_not_end_the_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        found = run(checkpoints_in(tmp_path / "file" / "checkpoint"))
    assert "no checkpoint was written, the training goes on" in caplog.text
    assert_same(found, run(None))


def test_checkpoints_take_a_small_share_of_the_time(tmp_path: Path) -> None:
    checkpoints = checkpoints_in(tmp_path, max_share=1e-9)
    assert checkpoints.is_due()
    with pytest.raises(Preempted):
        run(checkpoints, ends_at=2)
    assert not checkpoints.is_due(), "it took so long that the next one has to wait"
