"""The policy gradient's probabilities, weights and direction."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from recommender.network.model import ItemBlock, ItemFacts, ItemSide, TwoTowers
from tests.unit.trainer.learning.test_losses import batch
from tests.unit.trainer.learning.test_step import NUM_ITEMS, large_model, sequences
from trainer.config import PolicyGradientConfig, TrainConfig
from trainer.data.histories import Group, SharedHistories
from trainer.data.sampling import Window, Withheld
from trainer.data.slate_places import NO_ITEM, SlateBatch, SlatePlaces
from trainer.learning.losses import batch_losses, counts
from trainer.learning.negatives import NegativeSampler
from trainer.learning.optimizer import Optimizer
from trainer.learning.policy_gradient import SlateProbabilities, policy_loss, slate_probabilities
from trainer.learning.step import Step
from trainer.learning.trainee import FixedFacts, Trainee

CONFIG = PolicyGradientConfig(weight=1.0, list_size=1, min_effective_size=1.0)
ROWS = [[30, 7, 99], [4, 5, NO_ITEM]]


def slate_batch(*, propensity: float = 0.01, pin: bool = False) -> SlateBatch:
    """Return two slates of one history; the second item of each was chosen."""
    propensity_JK = torch.full((2, 3), propensity)
    propensity_JK[1, 2] = math.nan
    if pin:
        propensity_JK[0, 0] = math.nan
    return SlateBatch(
        user_J=torch.tensor([0, 0]),
        state_J=torch.tensor([1, 2]),
        rows_JK=torch.tensor(ROWS),
        propensity_JK=propensity_JK,
        credit_JK=torch.tensor([[0.0, 1.0, 0.0], [0.0, -0.5, 0.0]]),
    )


def probabilities(model: TwoTowers, facts: ItemFacts, slates: SlateBatch) -> SlateProbabilities:
    side, state_BSD = states(model, facts)
    return slate_probabilities(model, side, state_BSD, slates, None)


def states(model: TwoTowers, facts: ItemFacts) -> tuple[ItemSide, Tensor]:
    side = model.item_side(facts)
    return side, model.eval().states(side, batch([7, 3], [4.0, 2.0]).histories)


@pytest.mark.parametrize("pin", [False, True])
def test_positions_are_drawn_without_repetition(pin: bool) -> None:
    """Each item's probability is that among all items but those above it and the pins."""
    model, facts = large_model()
    found = probabilities(model, facts, slate_batch(pin=pin))
    side, state_BSD = states(model, facts)
    logit_N = model.logits(side, state_BSD[0, 1:2])[0]
    logit_N[30] = -math.inf  # it is above, or a pin
    expected = logit_N.log_softmax(0)
    assert found.at_position_JK[0, 1].item() == pytest.approx(expected[7].item(), abs=1e-4)
    logit_N[7] = -math.inf
    assert found.at_position_JK[0, 2].item() == pytest.approx(
        logit_N.log_softmax(0)[99].item(), abs=1e-4
    )


def test_lists_of_the_policy_itself_weigh_one() -> None:
    model, facts = large_model()
    own_JK = probabilities(model, facts, slate_batch()).at_position_JK.exp().detach()
    slates = replace(slate_batch(), propensity_JK=own_JK)
    ratio_Q = probabilities(model, facts, slates).ratios(slates, CONFIG)
    assert ratio_Q.tolist() == pytest.approx([1.0, 1.0], rel=1e-5)


def test_a_weight_is_at_most_the_cap() -> None:
    model, facts = large_model()
    slates = slate_batch(propensity=1e-12)
    assert probabilities(model, facts, slates).ratios(slates, CONFIG).tolist() == [10.0, 10.0]


def test_good_choices_become_likelier_and_bad_ones_rarer() -> None:
    model, facts = large_model()
    before = probabilities(model, facts, slate_batch())
    policy_loss(before, slate_batch(), CONFIG).backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for weight in model.parameters():
            if weight.grad is not None:
                weight.sub_(weight.grad, alpha=0.1)
    after = probabilities(model, facts, slate_batch())
    moved_JK = after.at_position_JK - before.at_position_JK
    assert moved_JK[0, 1] > 0 > moved_JK[1, 1]


def test_an_item_that_is_in_every_list_gains_nothing() -> None:
    """Its probability among all is nearly 1, so a list of ten has it anyway."""
    slates = slate_batch(propensity=0.5)
    certain = SlateProbabilities(
        at_position_JK=torch.full((2, 3), -0.01, requires_grad=True),
        among_all_JK=torch.full((2, 3), -0.01),
    )
    one, ten = (
        policy_loss(certain, slates, replace(CONFIG, list_size=size)).item() for size in (1, 10)
    )
    assert 0 < abs(ten) < 1e-6 * abs(one)


def test_negatives_estimate_the_whole_catalogue() -> None:
    model, facts = large_model(10_001)
    side, state_BSD = states(model, facts)
    exact = slate_probabilities(model, side, state_BSD, slate_batch(), None)
    sampler = NegativeSampler(facts.counts_N, 2_048)
    estimates = [
        slate_probabilities(
            model, side, state_BSD, slate_batch(), sampler.draw(torch.Generator().manual_seed(seed))
        ).at_position_JK[0, 1]
        for seed in range(20)
    ]
    mean = torch.stack(estimates).mean().item()
    assert mean == pytest.approx(exact.at_position_JK[0, 1].item(), abs=0.1)


def test_a_block_has_the_policy_gradient_of_the_catalogue() -> None:
    model, facts = large_model()
    one = replace(batch([7, 3], [4.0, 2.0]), slates=slate_batch())
    negatives = NegativeSampler(facts.counts_N, 32).draw(torch.Generator().manual_seed(1))
    rows_X = torch.unique(torch.cat([one.named_rows(), negatives.places_C]))
    part = ItemBlock(
        facts=facts.at(rows_X),
        table_XE=model.table.detach()[rows_X].requires_grad_(),
        mean_count=facts.counts_N.mean(),
    )
    losses = []
    for block, told, drawn in (
        (ItemBlock.whole(facts, model.table), one, negatives),
        (part, one.at_places(rows_X), negatives.at_places(rows_X)),
    ):
        sums = batch_losses(model, block, told, drawn, num_items=NUM_ITEMS, policy=CONFIG)
        losses.append(sums.policy)
        losses[-1].backward()  # type: ignore[no-untyped-call]
    assert counts(one)[3] == 2
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-5)
    assert model.table.grad is not None
    assert part.table_XE.grad is not None
    assert torch.allclose(model.table.grad[rows_X], part.table_XE.grad, atol=1e-5)


@pytest.mark.parametrize(("floor", "is_trained"), [(1.9, True), (2.1, False)])
def test_the_term_needs_enough_effective_choices(floor: float, is_trained: bool) -> None:
    """Two choices of the policy's own weigh the same, so there are two."""
    model, facts = large_model()
    config = TrainConfig(policy_gradient=replace(CONFIG, min_effective_size=floor, weight=100.0))
    slates = SlatePlaces(
        num_logged=2,
        user_J=np.array([0, 0]),
        places_J=np.array([1, 1]),
        rows_JK=np.array([[7], [7]]),
        propensity_JK=np.full((2, 1), 0.5),
        credit_JK=np.full((2, 1), 1.0),
    )
    losses = []
    for served in (None, slates):
        trainee = Trainee(
            model=model, optimizer=Optimizer(model, weight_decay=0.0), source=FixedFacts(facts)
        )
        lives = replace(sequences(), slates=served)
        step = Step(trainee, SharedHistories(lives), config)
        size = step.begin_epoch()
        assert (size is None) == (served is None)
        assert size is None or size == pytest.approx(2.0, rel=1e-4)
        window = Window(user=0, start=0, first=0, stop=3)
        losses.append(step.run(Group.of(lives, [window]), [Withheld()], lr=0.0))
    assert (losses[0] != losses[1]) == is_trained
