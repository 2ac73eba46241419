"""Which device a training uses, and that all its tensors are on that device."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recommender.config import ModelConfig
from recommender.network.model import Baseline, ItemFacts, Trained, new_model
from tests.card import CARD, OnCard, WrongDevice, card, put_on_card
from trainer.config import Device, TrainConfig
from trainer.data.sampling import Sequences
from trainer.learning.checkpoint import Checkpoints
from trainer.learning.loop import Schedule, Watch, train
from trainer.learning.optimizer import Optimizer
from trainer.learning.trainee import FixedFacts, Trainee
from trainer.machine.device import CPU, claim_device, device_name, to_device
from trainer.progress import Progress

NUM_ITEMS = 9
NUM_USERS = 6
LENGTH = 7
CONFIG = TrainConfig(batch_size=3)
LARGE = replace(CONFIG, full_softmax_items=5, num_negatives=4)  # nine items are many


def facts() -> ItemFacts:
    generator = torch.Generator().manual_seed(1)
    return ItemFacts(
        texts_NT=torch.nn.functional.normalize(
            torch.randn(NUM_ITEMS, 8, generator=generator), dim=1
        ),
        has_text_N=torch.ones(NUM_ITEMS, dtype=torch.bool),
        counts_N=torch.arange(NUM_ITEMS).float(),
        rating_sum_N=torch.linspace(-2.0, 2.0, NUM_ITEMS),
        rating_count_N=torch.full((NUM_ITEMS,), 3.0),
    )


def sequences() -> Sequences:
    generator = np.random.default_rng(0)
    num_events = NUM_USERS * LENGTH
    return Sequences(
        rows=generator.integers(NUM_ITEMS, size=num_events),
        types=np.ones(num_events, np.int64),
        ratings=np.where(
            generator.random(num_events) < 0.7, generator.integers(1, 6, num_events), np.nan
        ).astype(float),
        at_s=np.sort(generator.random(num_events)) * 1e6,
        positive=np.ones(num_events, np.bool_),
        learnable=np.ones(num_events, np.bool_),
        user_bounds=np.arange(0, num_events + 1, LENGTH),
        shown_places=np.array([3, LENGTH + 2]),
        shown_rows=np.array([1, 2]),
        shown_users=np.array([0, 1]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    model: Trained
    optimizer: Optimizer
    losses: tuple[float, ...]


def train_tower(
    tower: str,
    device: torch.device,
    folder: Path,
    *,
    epochs: int = 2,
    config: TrainConfig = CONFIG,
) -> Result:
    """Train on a device; the last epoch goes on from the checkpoint of those before."""
    if epochs > 1:
        train_tower(tower, device, folder, epochs=epochs - 1, config=config)
    shape = ModelConfig(
        tower=tower,  # type: ignore[arg-type]
        text_dim=8,
        dim=16,
        num_layers=1,
        max_history=5,
        dropout=0.0,
    )
    torch.manual_seed(0)
    model = new_model(shape, NUM_ITEMS)
    assert not isinstance(model, Baseline)
    model.rating_mean.fill_(3.0)
    if device == CARD:
        put_on_card(model)
    model.to(device)
    optimizer = Optimizer(model, weight_decay=0.01)
    schedule = Schedule(epochs=epochs, lr=1e-2, warm=True)
    checkpoints = Checkpoints(folder, key="the same", every_s=0.0, max_share=math.inf)
    watch = Watch(progress=Progress(None), check=lambda: None)
    on_device = to_device(facts(), device)
    learned = train(
        Trainee(model=model, optimizer=optimizer, source=FixedFacts(on_device)),
        sequences(),
        config=config,
        schedule=schedule,
        checkpoints=checkpoints,
        watch=watch,
    )
    return Result(model=model, optimizer=optimizer, losses=learned.losses)


def telling(name: str, weight: torch.Tensor) -> torch.Tensor:
    """Leave out the bias of attention's keys.

    It changes no softmax, so its gradient is only rounding, from which Adam makes full steps.
    """
    return torch.cat(weight.chunk(3)[::2]) if name.endswith("qkv.bias") else weight


@pytest.mark.parametrize("tower", ["transformer", "lstm", "sketch"])
@pytest.mark.parametrize("catalogue", ["small", "large"])
def test_training_on_another_device_gives_the_same_result(
    tower: str, catalogue: str, tmp_path: Path
) -> None:
    config = CONFIG if catalogue == "small" else LARGE
    expected = train_tower(tower, CPU, tmp_path / "cpu", config=config)
    with card() as device:
        found = train_tower(tower, device, tmp_path / "card", config=config)
        assert all(isinstance(weight.data, OnCard) for weight in found.model.parameters())
        state = found.optimizer.state()
        weights = {name: tensor.to(CPU) for name, tensor in found.model.state_dict().items()}
    assert {tensor.device for tensor in state.values()} == {CPU}
    assert found.losses == pytest.approx(expected.losses, rel=1e-5)
    for name, weight in expected.model.state_dict().items():
        assert torch.allclose(telling(name, weights[name]), telling(name, weight), atol=1e-5), name
    for name, tensor in expected.optimizer.state().items():
        assert torch.allclose(state[name], tensor, atol=1e-5), name


def test_the_pretended_card_refuses_what_a_gpu_would_refuse() -> None:
    with card() as device:
        on_card, on_cpu = torch.ones(3, device=device), torch.ones(3)
        assert on_card.device == CARD
        assert (on_card + 1.0).sum().item() == 6.0
        assert (on_card * torch.tensor(2.0)).to(CPU).tolist() == [2.0] * 3
        mixed: list[Callable[[], torch.Tensor]] = [
            lambda: on_card + on_cpu,
            lambda: torch.cat([on_card, on_cpu]),
            lambda: on_card[torch.tensor([0])],
        ]
        for wrong in mixed:
            with pytest.raises(WrongDevice, match="on the CPU"):
                wrong()


def test_nested_records_move_as_a_whole() -> None:
    with card() as device:
        there = to_device(facts(), device)
        assert all(isinstance(one, OnCard) for _, one in there.by_item())
        assert torch.equal(to_device(there, CPU).texts_NT, facts().texts_NT)


def test_the_cpu_hides_gpus_from_whatever_looks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert claim_device("cpu") == CPU
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    assert device_name(CPU) == "cpu"


def test_with_too_few_gpus_auto_is_the_cpu_and_cuda_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match=r"2 rank\(s\) need a GPU each, but torch sees 1 here"):
        claim_device("cuda")
    assert claim_device("auto") == CPU
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_each_rank_takes_the_gpu_of_its_number(
    monkeypatch: pytest.MonkeyPatch, wanted: Device
) -> None:
    taken: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert claim_device(wanted) == torch.device("cuda", 1)
    assert taken == [torch.device("cuda", 1)]


@pytest.mark.skipif(torch.cuda.device_count() == 0, reason="this machine has no GPU")
def test_a_gpu_gives_what_the_cpu_gives(tmp_path: Path) -> None:
    device = claim_device("cuda")
    expected = train_tower("transformer", CPU, tmp_path / "cpu")
    found = train_tower("transformer", device, tmp_path / "cuda")
    assert found.losses == pytest.approx(expected.losses, rel=1e-3)
    assert torch.allclose(found.model.table.cpu(), expected.model.table, atol=1e-3)
