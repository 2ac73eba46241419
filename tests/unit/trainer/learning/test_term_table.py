"""A step reads and changes the terms that its items name, with the gradients of the whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recommender.config import FACTS, ModelConfig, Slot
from recommender.network.links import Links
from recommender.network.model import ItemFacts, TwoTowers
from tests.unit.trainer.learning.test_step import CONFIG, ROWS, large_model, sequences
from trainer.data.histories import Group, SharedHistories
from trainer.data.sampling import Window, Withheld
from trainer.learning.averaging import move_towards, weights_of
from trainer.learning.optimizer import Optimizer
from trainer.learning.step import Step
from trainer.learning.term_table import TermTable
from trainer.learning.trainee import FixedFacts, Trainee

NUM_ITEMS, NUM_TERMS = 500, 250
WINDOW = Window(user=0, start=0, first=0, stop=len(ROWS))


def whole_group() -> Group:
    return Group.of(sequences(), [WINDOW])


def model_with_facts(hops: int = 0) -> tuple[TwoTowers, ItemFacts]:
    """Return a model with an open gate, whose item n has one fact, of terms 0 and 1 + n // 2."""
    _, facts = large_model()
    torch.manual_seed(0)
    slot = Slot(name=FACTS, width=4, hops=hops)
    shape = ModelConfig(text_dim=4, dim=8, num_layers=1, dropout=0.0)
    model = TwoTowers(shape, NUM_ITEMS, (slot,), num_terms=NUM_TERMS + 1)
    model.get_parameter("slots.facts.gate").data.fill_(1.0)
    item_N = torch.arange(NUM_ITEMS)
    pair_N2 = torch.stack([torch.zeros_like(item_N), 1 + item_N // 2], dim=1)
    links = Links(starts_X1=torch.arange(0, 2 * NUM_ITEMS + 1, 2), terms_L=pair_N2.flatten().int())
    if hops:
        term_T = torch.arange(NUM_TERMS + 1)
        near_T2 = torch.stack([torch.zeros_like(term_T), (term_T + 1) % (NUM_TERMS + 1)], dim=1)
        near = Links(
            starts_X1=torch.arange(0, 2 * NUM_TERMS + 3, 2), terms_L=near_T2.flatten().int()
        )
        return model, replace(facts, links=links, neighbours=near)
    return model, replace(facts, links=links)


def trainee_of(model: TwoTowers, facts: ItemFacts) -> Trainee:
    optimizer = Optimizer(model, weight_decay=0.0)
    return Trainee(model=model, optimizer=optimizer, source=FixedFacts(facts))


def test_a_step_changes_the_terms_of_its_items_alone() -> None:
    model, facts = model_with_facts()
    trainee = trainee_of(model, facts)
    Step(trainee, SharedHistories(sequences()), CONFIG).run(whole_group(), [Withheld()], lr=1e-2)
    assert model.terms is not None
    moved_X = model.terms.any(1).nonzero().squeeze(1)
    assert {0, 1 + 7 // 2, 1 + 499 // 2} <= set(moved_X.tolist())
    assert len(moved_X) <= 1 + len(ROWS) + 1 + CONFIG.num_negatives
    steps = trainee.optimizer.state()["terms.steps"]
    assert set(moved_X.tolist()) <= set(steps.nonzero().squeeze(1).tolist())


@pytest.mark.parametrize("hops", [0, 1])
def test_a_part_has_the_gradients_of_the_whole(hops: int) -> None:
    model, facts = model_with_facts(hops)
    assert facts.links is not None
    with torch.no_grad():
        assert model.terms is not None
        model.terms.normal_()
        for name, weight in model.named_parameters():
            if name.endswith("hop"):
                weight.fill_(0.5)
    adam = Optimizer(model, weight_decay=0.0).terms
    assert adam is not None
    terms = TermTable(adam, facts, facts.links, torch.ones(NUM_ITEMS, dtype=torch.bool))
    rows_X = torch.tensor([3, 4, 5, 450])
    read = [terms.read(one, model) for one in (facts, facts.at(rows_X))]
    sums = []
    for one, places_X in zip(read, (rows_X, torch.arange(4)), strict=True):
        assert one is not None
        assert one.facts.links is not None
        means_XW = one.facts.links.means(one.vectors_YW)[places_X]
        (means_XW * torch.arange(4.0)).sum().backward()  # type: ignore[no-untyped-call]
        sums.append(means_XW)
    whole, part = read
    assert whole is not None
    assert part is not None
    assert torch.allclose(sums[0], sums[1], atol=1e-6)
    assert whole.leaf_YW.grad is not None
    assert part.leaf_YW.grad is not None
    assert torch.allclose(whole.leaf_YW.grad[part.rows_Y], part.leaf_YW.grad, atol=1e-6)
    assert len(part.rows_Y) < 10


def test_terms_of_items_that_nobody_met_stay() -> None:
    """A term that leads to such an item alone would drift away from zero as a negative does."""
    model, facts = model_with_facts()
    counts_N = facts.counts_N.clone()
    counts_N[100:102] = 0.0  # the only items of term 51
    facts = replace(facts, counts_N=counts_N)
    whole = replace(CONFIG, full_softmax_items=10_000)
    Step(trainee_of(model, facts), SharedHistories(sequences()), whole).run(
        whole_group(), [Withheld()], lr=1e-2
    )
    assert model.terms is not None
    assert not model.terms[51].any()
    assert bool(model.terms[52].any())


def test_the_state_of_terms_is_restored_and_grows() -> None:
    model, facts = model_with_facts()
    trainee = trainee_of(model, facts)
    Step(trainee, SharedHistories(sequences()), CONFIG).run(whole_group(), [Withheld()], lr=1e-2)
    state = trainee.optimizer.state()
    slot = model.slot_list[0]
    grown = TwoTowers(model.config, NUM_ITEMS, (slot,), num_terms=NUM_TERMS + 9)
    optimizer = Optimizer(grown, weight_decay=0.0)
    optimizer.load(state)
    again = optimizer.state()
    assert torch.equal(again["terms.mean"][: NUM_TERMS + 1], state["terms.mean"])
    assert not again["terms.mean"][NUM_TERMS + 1 :].any()
    assert torch.equal(again["terms.at_steps"], state["terms.at_steps"])


def test_an_update_serves_other_terms_as_before() -> None:
    model, facts = model_with_facts()
    served = weights_of(model)
    trainee = trainee_of(model, facts)
    trainee.optimizer.begin_update()
    Step(trainee, SharedHistories(sequences()), CONFIG).run(whole_group(), [Withheld()], lr=1e-2)
    recent = {name: table.recent_rows() for name, table in trainee.optimizer.tables.items()}
    assert model.terms is not None
    trained_TW = model.terms.detach().clone()
    move_towards(model, served, recent, decay=0.5)
    assert torch.allclose(model.terms.detach(), trained_TW / 2)
    assert 0 < len(recent["terms"]) < NUM_TERMS
