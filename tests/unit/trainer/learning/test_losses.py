"""The sampled softmax estimates the full one, and the rating loss excludes its target."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from recommender.config import ModelConfig
from recommender.network.model import HistoryBatch, ItemBlock, ItemFacts, TwoTowers
from trainer.config import PolicyGradientConfig
from trainer.data.sampling import TrainBatch
from trainer.learning.losses import batch_losses, counts, learning_rows
from trainer.learning.negatives import NegativeSampler

CONFIG = ModelConfig(text_dim=4, dim=8, num_layers=1, max_history=8, dropout=0.0)


def facts(num_items: int) -> ItemFacts:
    generator = torch.Generator().manual_seed(0)
    return ItemFacts(
        texts_NT=F.normalize(torch.randn(num_items, 4, generator=generator), dim=1),
        has_text_N=torch.ones(num_items, dtype=torch.bool),
        counts_N=torch.rand(num_items, generator=generator).pow(4) * 100,
        rating_sum_N=torch.full((num_items,), 2.0),
        rating_count_N=torch.full((num_items,), 1.0),
    )


def batch(
    rows: list[int], ratings: list[float], *, shown: Sequence[tuple[int, int]] = ()
) -> TrainBatch:
    length = len(rows)
    return TrainBatch(
        histories=HistoryBatch(
            rows_BL=torch.tensor([rows]),
            types_BL=torch.ones(1, length, dtype=torch.long),
            ratings_BL=torch.tensor([ratings]),
            at_s_BL=torch.arange(float(length), dtype=torch.float64).unsqueeze(0),
            length_B=torch.tensor([length]),
        ),
        target_rows_BS=torch.tensor([[*rows, -1]]),
        rated_rows_BS=torch.tensor([[*rows, 0]]),
        target_ratings_BS=torch.tensor([[*ratings, math.nan]]),
        shown_user_X=torch.zeros(len(shown), dtype=torch.long),
        shown_state_X=torch.tensor([state for state, _ in shown], dtype=torch.long),
        shown_row_X=torch.tensor([row for _, row in shown], dtype=torch.long),
    )


def test_sampled_negatives_estimate_the_full_softmax() -> None:
    num_items = 10_001
    torch.manual_seed(0)
    model, known, one = (
        TwoTowers(CONFIG, num_items).eval(),
        facts(num_items),
        batch([5, 900, 10_000], [math.nan] * 3),
    )
    side = model.item_side(known)
    state_BSD = model.states(side, one.histories)
    exact = F.cross_entropy(
        model.logits(side, state_BSD[0, :3]), torch.tensor([5, 900, 10_000]), reduction="sum"
    )
    block, sampler = ItemBlock.whole(known, model.table), NegativeSampler(known.counts_N, 2_048)
    estimates = [
        batch_losses(
            model,
            block,
            one,
            sampler.draw(torch.Generator().manual_seed(seed)),
            num_items=num_items,
            policy=PolicyGradientConfig(),
        ).ranking.item()
        for seed in range(20)
    ]
    assert sum(estimates) / 20 == pytest.approx(exact.item(), rel=0.01)
    assert len(set(estimates)) == 20


def test_an_items_mean_does_not_tell_the_rating_to_be_predicted() -> None:
    """Without its own rating, 2 above the mean, the item's prediction is the mean."""
    torch.manual_seed(0)
    model = TwoTowers(CONFIG, 3)
    model.rating_mean.fill_(3.0)
    block = ItemBlock.whole(facts(3), model.table)
    one = batch([1], [5.0])
    sums = batch_losses(model, block, one, None, num_items=3, policy=PolicyGradientConfig())
    assert sums.rating.item() == pytest.approx(4.0, abs=1e-4)
    assert counts(batch([1], [5.0])).tolist() == [1.0, 0.0, 1.0, 0.0]


def test_what_was_shown_in_vain_is_punished_at_its_place() -> None:
    torch.manual_seed(0)
    model = TwoTowers(CONFIG, 3)
    block = ItemBlock.whole(facts(3), model.table)
    one = batch([1], [math.nan], shown=[(1, 2)])
    sums = batch_losses(model, block, one, None, num_items=3, policy=PolicyGradientConfig())
    assert sums.shown.item() > 0.0
    sums.shown.backward()  # type: ignore[no-untyped-call]
    assert model.table.grad is not None
    assert model.table.grad[2, -2] > 0.0
    assert one.read_rows().tolist() == [1, 2]


def test_rows_that_nobody_has_met_do_not_learn() -> None:
    known = facts(4)
    met = replace(known, counts_N=torch.tensor([2.0, 0.0, 0.0, 1.0]))
    none = torch.zeros(0, dtype=torch.long)
    assert learning_rows(met, none).tolist() == [True, False, False, True]
    shown = torch.tensor([2])
    assert learning_rows(met, shown).tolist() == [True, False, True, True], "what was shown was met"
