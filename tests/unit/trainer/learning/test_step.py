"""A step on a large catalogue computes a part of it, with the gradients of the whole."""

from dataclasses import replace

import numpy as np
import torch

from recommender.config import ModelConfig
from recommender.network.model import ItemBlock, ItemFacts, TwoTowers
from tests.unit.trainer.learning.test_losses import batch
from trainer.config import PolicyGradientConfig, TrainConfig
from trainer.data.histories import Group, SharedHistories
from trainer.data.sampling import Sequences, Window, Withheld
from trainer.learning.losses import batch_losses
from trainer.learning.negatives import NegativeSampler
from trainer.learning.optimizer import Optimizer
from trainer.learning.step import SETTLED_AT_ONCE, Step, kept_modalities
from trainer.learning.trainee import FixedFacts, Trainee

NUM_ITEMS = 500
CONFIG = TrainConfig(full_softmax_items=100, num_negatives=32)
ROWS = [7, 499, 120, 7, 3]


def large_model(num_items: int = NUM_ITEMS) -> tuple[TwoTowers, ItemFacts]:
    torch.manual_seed(0)
    model = TwoTowers(ModelConfig(text_dim=4, dim=8, num_layers=1, dropout=0.0), num_items)
    torch.nn.init.normal_(model.table)
    texts_NT = torch.nn.functional.normalize(torch.randn(num_items, 4), dim=1)
    facts = ItemFacts(
        texts_NT=texts_NT,
        has_text_N=torch.ones(num_items, dtype=torch.bool),
        counts_N=torch.arange(num_items) % 3,  # a third of the items have never been met
        rating_sum_N=torch.zeros(num_items),
        rating_count_N=torch.ones(num_items),
    )
    return model, replace(facts, counts_N=facts.counts_N.float())


def sequences() -> Sequences:
    num_events = len(ROWS)
    return Sequences(
        rows=np.array(ROWS),
        types=np.ones(num_events, np.int64),
        ratings=np.array([4.0, np.nan, 2.0, 5.0, 1.0]),
        at_s=np.linspace(0.0, 3600.0, num_events),
        positive=np.ones(num_events, np.bool_),
        learnable=np.ones(num_events, np.bool_),
        user_bounds=np.array([0, num_events]),
        shown_places=np.array([2]),
        shown_rows=np.array([250]),
        shown_users=np.array([0]),
    )


def test_the_named_rows_of_a_batch_are_read_ranked_or_rated() -> None:
    one = batch([9, 4], [3.0, 1.0], shown=[(1, 6)])
    rows_X = torch.unique(one.named_rows())
    assert rows_X.tolist() == [4, 6, 9]
    placed = one.at_places(rows_X)
    assert rows_X[placed.histories.rows_BL].tolist() == [[9, 4]]
    assert placed.target_rows_BS.tolist() == [[2, 0, -1]]
    assert rows_X[placed.shown_row_X].tolist() == [6]


def test_a_block_has_the_gradients_of_the_whole_catalogue() -> None:
    model, facts = large_model()
    one = batch(ROWS, [4.0, 2.0, 2.0, 5.0, 1.0], shown=[(2, 250)])
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
        sums = batch_losses(
            model, block, told, drawn, num_items=NUM_ITEMS, policy=PolicyGradientConfig()
        )
        losses.append(sums.ranking + sums.shown + sums.rating)
        losses[-1].backward()  # type: ignore[no-untyped-call]
    assert torch.allclose(losses[0], losses[1], rtol=1e-5)
    assert model.table.grad is not None
    assert part.table_XE.grad is not None
    assert torch.allclose(model.table.grad[rows_X], part.table_XE.grad, atol=1e-5)
    assert torch.count_nonzero(model.table.grad) == torch.count_nonzero(part.table_XE.grad)


def test_a_step_moves_named_rows_and_met_negatives() -> None:
    model, facts = large_model()
    before_NE = model.table.detach().clone()
    optimizer = Optimizer(model, weight_decay=0.0)
    trainee = Trainee(model=model, optimizer=optimizer, source=FixedFacts(facts))
    window = Window(user=0, start=0, first=0, stop=len(ROWS))
    Step(trainee, SharedHistories(sequences()), CONFIG).run(
        Group.of(sequences(), [window]), [Withheld()], lr=1e-2
    )
    moved_X = (model.table.detach() != before_NE).any(dim=1).nonzero().squeeze(1)
    assert facts.counts_N[moved_X[moved_X != 250]].min() > 0  # 250 was shown, so it was met
    assert {7, 499, 250} <= set(moved_X.tolist())
    assert 3 not in moved_X.tolist(), "nobody has met it"
    assert len(ROWS) < len(moved_X) <= len(ROWS) + 1 + CONFIG.num_negatives
    assert optimizer.state()["table.steps"].nonzero().squeeze(1).tolist() == moved_X.tolist()


def test_every_met_row_has_taken_every_step_when_settled() -> None:
    model, facts = large_model(2 * SETTLED_AT_ONCE)
    optimizer = Optimizer(model, weight_decay=0.0)
    step = Step(
        Trainee(model=model, optimizer=optimizer, source=FixedFacts(facts)),
        SharedHistories(sequences()),
        CONFIG,
    )
    for stop in (2, 3, 5):  # other windows draw other negatives
        window = Window(user=0, start=0, first=0, stop=stop)
        step.run(Group.of(sequences(), [window]), [Withheld()], lr=1e-2)
    step.settle()
    met_N = facts.counts_N > 0
    met_N[250] = True  # it was shown
    assert torch.equal(optimizer.state()["table.steps"], met_N * 3.0)


def test_known_items_keep_their_texts_in_training() -> None:
    """Their ids learned what texts say, and new items came later among all items."""
    known_X = torch.tensor([True, False, True, False])
    drawn_XS = torch.tensor([[0.1, 0.9], [0.1, 0.9], [0.9, 0.1], [0.9, 0.1]])
    kept_XS = kept_modalities(known_X, drawn_XS, 0.2)
    assert kept_XS.tolist() == [[True, True], [False, True], [True, True], [True, False]]
