"""The sketch: an LSTM and a text vector in one linear layer, and what follows for ranking."""

import math

import pytest
import torch
from torch import nn

from recommender.config import ModelConfig
from recommender.network.model import ItemBlock, ItemFacts, Sketch
from tests.unit.recommender.network.test_model import batch as histories
from tests.unit.trainer.learning.test_losses import batch, facts
from trainer.learning.sketch_losses import sketch_losses

CONFIG = ModelConfig(tower="sketch", text_dim=4, dim=8, max_history=8, dropout=0.0)
NUM_ITEMS = 6


def sketch() -> Sketch:
    torch.manual_seed(0)
    model = Sketch(CONFIG, NUM_ITEMS).eval()
    nn.init.normal_(model.head.weight)
    model.rating_mean.fill_(3.0)
    model.rating_std.fill_(2.0)
    return model


def unrated_facts() -> ItemFacts:
    known = facts(NUM_ITEMS)
    known.rating_count_N.zero_()
    return known


@torch.no_grad()
def test_it_computes_the_formula_of_the_sketch() -> None:
    """The formula, written again for one history and one item at a time."""
    model, known = sketch(), facts(NUM_ITEMS)
    state_BSD = model.states(
        model.item_side(known), histories([[4, 1, 2]], [[math.nan] * 3], [[math.nan] * 3])
    )
    output_1LD, _ = model.lstm(nn.functional.embedding(torch.tensor([[4, 1, 2]]), model.table))
    expected = model.head(torch.cat([output_1LD.mean(1)[0], known.texts_NT[5] * 2.0])) * 2.0 + 3.0
    rows_XK = torch.tensor([[5]])
    found_XK = model.ratings(model.item_side(known), state_BSD[:, -1], rows_XK)
    assert found_XK.item() == pytest.approx(expected.item(), abs=1e-5)


@torch.no_grad()
def test_items_have_the_same_order_for_all_users() -> None:
    model = sketch()
    side = model.item_side(facts(NUM_ITEMS))
    state_BSD = model.states(
        side, histories([[0, 1], [3, 2]], [[5.0, 1.0], [2.0, 2.0]], [[1e9, 2e9], [1e9, 2e9]])
    )
    logits_BN = model.logits(side, state_BSD[:, -1])
    ratings_BN = model.ratings(side, state_BSD[:, -1], torch.arange(NUM_ITEMS).expand(2, -1))
    assert torch.allclose(logits_BN, ratings_BN, atol=1e-5)
    assert not torch.allclose(logits_BN[0], logits_BN[1], atol=1e-3)
    assert torch.equal(logits_BN[0].argsort(), logits_BN[1].argsort())


def test_it_learns_from_ratings_if_there_are_any() -> None:
    model, known, one = sketch(), facts(NUM_ITEMS), batch([1, 2], [5.0, math.nan])
    side = model.item_side(known)
    state_BSD = model.states(side, one.histories)
    predicted = model.ratings(side, state_BSD[0, :1], torch.tensor([[1]])).item()
    sums = sketch_losses(model, ItemBlock.whole(known, model.table), one)
    assert sums.rating.item() == pytest.approx(((predicted - 5.0) / 2.0) ** 2, rel=1e-5)
    assert sums.ranking.item() == sums.shown.item() == 0.0


def test_without_ratings_it_learns_choices_against_uniform_items() -> None:
    model, one = sketch(), batch([1, 2], [math.nan, math.nan])
    side = model.item_side(unrated_facts())
    state_BSD = model.states(side, one.histories)
    predicted_QN = model.logits(side, state_BSD[0, :2]).detach()
    chosen = (predicted_QN[[0, 1], [1, 2]] - 1.0).square().sum()
    generator = torch.Generator().manual_seed(0)
    drawn = [
        predicted_QN[[0, 1], torch.randint(NUM_ITEMS, (2,), generator=generator)]
        .square()
        .sum()
        .item()
        for _ in range(4000)
    ]
    sums = sketch_losses(model, ItemBlock.whole(unrated_facts(), model.table), one)
    assert sums.ranking.item() == pytest.approx(chosen.item() + sum(drawn) / len(drawn), rel=0.05)
    assert sums.rating.item() == 0.0


@pytest.mark.parametrize(
    "known", [facts(NUM_ITEMS), unrated_facts()], ids=["ratings", "no ratings"]
)
def test_all_weights_learn_and_only_the_used_table_rows(known: ItemFacts) -> None:
    model = sketch().train()
    block = ItemBlock.whole(known, model.table)
    sums = sketch_losses(model, block, batch([1, 2, 3], [4.0, 2.0, 1.0]))
    (sums.ranking + sums.rating).backward()  # type: ignore[no-untyped-call]
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name
    assert model.table.grad is not None
    assert model.table.grad.abs().sum(1).nonzero().squeeze(1).tolist() == [1, 2]


def test_without_targets_the_loss_is_zero_with_gradients() -> None:
    model = sketch()
    block = ItemBlock.whole(facts(NUM_ITEMS), model.table)
    sums = sketch_losses(model, block, batch([1], [math.nan]))
    loss = sums.ranking + sums.shown + sums.rating
    assert loss.item() == 0.0
    loss.backward()  # type: ignore[no-untyped-call]
