"""What a rank gets of another one's histories trains as those histories would."""

from dataclasses import fields

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.histories import WINDOWS_AT_ONCE, GroupReader, SharedHistories, excerpt_of
from trainer.data.sampling import Sequences, TrainBatch, Window, Withheld, assemble, batches
from trainer.data.slate_places import SlatePlaces


def sequences(lengths: list[int], seed: int) -> Sequences:
    """SharedHistories with impressions and slates at random places, the ends included."""
    rng = np.random.default_rng(seed)
    bounds = np.cumsum([0, *lengths])
    pairs = [
        (user, int(rng.integers(bounds[user], bounds[user + 1] + 1)))
        for user in range(len(lengths))
        for _ in range(3)
    ]
    user_X, place_X = np.array(sorted(pairs), np.int64).reshape(-1, 2).T
    num_events = int(bounds[-1])
    return Sequences(
        rows=rng.integers(100, size=num_events),
        types=rng.integers(3, size=num_events),
        ratings=np.where(rng.random(num_events) < 0.5, 3.0, np.nan),
        at_s=np.arange(num_events, dtype=np.float64),
        positive=rng.random(num_events) < 0.8,
        learnable=rng.random(num_events) < 0.8,
        user_bounds=bounds,
        shown_places=place_X,
        shown_rows=rng.integers(100, size=len(place_X)),
        shown_users=user_X,
        slates=SlatePlaces(
            num_logged=len(user_X),
            user_J=user_X,
            places_J=place_X,
            rows_JK=rng.integers(100, size=(len(user_X), 2)),
            propensity_JK=np.full((len(user_X), 2), 0.5),
            credit_JK=rng.random((len(user_X), 2)),
        ),
    )


def tensors(batch: TrainBatch) -> dict[str, torch.Tensor]:
    assert batch.slates is not None
    parts = (batch.histories, batch.slates, batch)
    found = {field.name: getattr(part, field.name) for part in parts for field in fields(part)}
    return {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}


@given(
    lengths=st.lists(st.integers(0, 25), min_size=1, max_size=8),
    seed=st.integers(0, 1000),
    every=st.integers(1, 3),
)
def test_windows_taken_out_give_the_same_batch(lengths: list[int], seed: int, every: int) -> None:
    data = sequences(lengths, seed)
    windows = as_windows(data, seed)[::every]
    if not windows:
        return
    excerpt = excerpt_of(data, windows)
    bounds = excerpt.user_bounds.tolist()
    moved = [
        Window(
            user=number,
            start=bounds[number],
            first=bounds[number] + one.first - one.start,
            stop=bounds[number + 1],
        )
        for number, one in enumerate(windows)
    ]
    withheld = [Withheld()] * len(windows)
    expected, found = (
        tensors(assemble(whole, chosen, withheld))
        for whole, chosen in ((data, windows), (excerpt, moved))
    )
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, equal_nan=True, rtol=0.0, atol=0.0)


def as_windows(data: Sequences, seed: int) -> list[Window]:
    cut = SharedHistories(data).cut(max_history=10, generator=np.random.default_rng(seed))
    return SharedHistories(data).gather(cut.columns_W4)[1]


def test_groups_are_read_from_any_place() -> None:
    """A training that goes on from a checkpoint reads the groups that are left."""
    histories = SharedHistories(sequences([20] * 50, seed=0))
    windows = histories.cut(max_history=10, generator=np.random.default_rng(1))
    generator = np.random.default_rng(2)
    groups = batches(windows.lengths_W, batch_size=8, generator=generator)
    assert len(windows) < WINDOWS_AT_ONCE
    whole, rest = (GroupReader(histories, windows, groups) for _ in range(2))
    every = [whole.read(number) for number in range(len(groups))]
    for number in range(3, len(groups)):
        found = rest.read(number)
        assert (found.windows, found.seed) == (every[number].windows, every[number].seed)
