"""The optimiser leaves other rows unchanged, and its state can be restored."""

import pytest
import torch
from torch import Tensor

from recommender.config import ModelConfig, Slot
from recommender.network.model import TwoTowers
from trainer.learning.optimizer import GATE_RATE, Optimizer

CONFIG = ModelConfig(text_dim=4, dim=8, num_layers=1, max_history=4, dropout=0.0)


def model(num_items: int = 6) -> TwoTowers:
    torch.manual_seed(0)
    made = TwoTowers(CONFIG, num_items)
    torch.nn.init.normal_(made.table)
    return made


def one_step(network: TwoTowers, optimizer: Optimizer, rows: list[int]) -> None:
    torch.manual_seed(len(rows))
    for weight in network.parameters():
        weight.grad = torch.randn_like(weight)
    step(optimizer, torch.tensor(rows), torch.randn(len(rows), network.table.shape[1]), lr=0.01)


def step(optimizer: Optimizer, rows_X: Tensor, gradient_XE: Tensor, *, lr: float) -> None:
    optimizer.step(lr=lr)
    optimizer.items.step(rows_X, gradient_XE, lr=lr)


def test_untouched_rows_neither_move_nor_decay() -> None:
    network = model()
    before = network.table.detach().clone()
    one_step(network, Optimizer(network, weight_decay=0.5), [1, 4])
    moved_N = (network.table != before).any(dim=1)
    assert moved_N.tolist() == [False, True, False, False, True, False]


def test_a_touched_row_moves_as_adam_would_move_it() -> None:
    network, twin = model(), model()
    optimizer, adam = (
        Optimizer(network, weight_decay=0.0),
        torch.optim.Adam([twin.table], lr=0.01, betas=(0.9, 0.99)),
    )
    for _ in range(3):
        gradient = torch.randn_like(twin.table)
        twin.table.grad = gradient.clone()
        optimizer.gradients()
        step(optimizer, torch.arange(6), gradient, lr=0.01)
        adam.step()
    assert torch.allclose(network.table, twin.table, atol=1e-6)


def test_deferred_steps_move_rows_as_adam_would_move_them() -> None:
    """Row r has a gradient in every (17r + 1)th step, and is read then; the rate changes."""
    network, twin = model(), model()
    optimizer = Optimizer(network, weight_decay=0.0)
    adam = torch.optim.Adam([twin.table], lr=0.01, betas=(0.9, 0.99))
    for number in range(1, 1200):
        lr = 0.01 * number / 1200
        adam.param_groups[0]["lr"] = lr
        rows_X = torch.tensor([row for row in range(6) if number % (17 * row + 1) == 0])
        gradient_XE = torch.randn(len(rows_X), twin.table.shape[1])
        twin.table.grad = torch.zeros_like(twin.table).index_copy(0, rows_X, gradient_XE)
        optimizer.gradients()
        optimizer.items.catch_up(rows_X)
        assert torch.allclose(network.table[rows_X], twin.table[rows_X], atol=1e-4)
        step(optimizer, rows_X, gradient_XE, lr=lr)
        adam.step()
    optimizer.items.catch_up(torch.arange(6))
    assert torch.allclose(network.table, twin.table, atol=1e-4)
    assert optimizer.state()["table.steps"].tolist() == [1199] * 6


def test_training_goes_on_from_a_saved_state_as_if_never_stopped() -> None:
    network = model()
    optimizer = Optimizer(network, weight_decay=0.1)
    one_step(network, optimizer, [0, 1])
    twin = model()
    twin.load_state_dict(network.state_dict())
    resumed = Optimizer(twin, weight_decay=0.1)
    resumed.load(optimizer.state())
    one_step(network, optimizer, [1, 2])
    one_step(twin, resumed, [1, 2])
    for (name, one), other in zip(network.named_parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other), name


def in_next_update(network: TwoTowers, before: Optimizer) -> Optimizer:
    """Return an optimiser that goes on from a state in another process."""
    after = Optimizer(network, weight_decay=0.0)
    after.load(before.state())
    after.begin_update()
    return after


def test_rows_take_deferred_steps_of_earlier_updates() -> None:
    """Row r has gradients in every (r + 1)th update; the others do not change it."""
    network, twin = model(), model()
    optimizer = Optimizer(network, weight_decay=0.0)
    adam = torch.optim.Adam([twin.table], lr=0.01, betas=(0.9, 0.99))
    for update in range(12):
        optimizer = in_next_update(network, optimizer)
        rows_X = torch.tensor([row for row in range(6) if update % (row + 1) == 0])
        others_N = torch.ones(6, dtype=torch.bool).index_fill(0, rows_X, value=False)
        before_NE = network.table.detach()[others_N].clone()
        for _ in range(20):
            gradient_XE = torch.randn(len(rows_X), twin.table.shape[1])
            twin.table.grad = torch.zeros_like(twin.table).index_copy(0, rows_X, gradient_XE)
            optimizer.gradients()
            optimizer.items.catch_up(rows_X)
            assert torch.allclose(network.table[rows_X], twin.table[rows_X], atol=1e-4)
            step(optimizer, rows_X, gradient_XE, lr=0.01)
            adam.step()
        assert torch.equal(network.table[others_N], before_NE)


def test_a_row_is_recent_in_the_update_after_its_last_step() -> None:
    network = model()
    optimizer = Optimizer(network, weight_decay=0.0)
    one_step(network, optimizer, [0, 1, 2, 3])
    assert len(optimizer.items.recent_rows()) == 6, "a full retrain brings all rows up to date"
    found = []
    for rows in ([0, 1], [1, 2], [2]):
        optimizer = in_next_update(network, optimizer)
        one_step(network, optimizer, rows)
        found.append(optimizer.items.recent_rows().tolist())
    assert found == [[0, 1], [0, 1, 2], [1, 2]]


def test_an_update_of_an_older_state_changes_all_learned_rows() -> None:
    """Such a state does not say when its rows took their steps."""
    network = model()
    optimizer = Optimizer(network, weight_decay=0.0)
    one_step(network, optimizer, [0, 3])
    state = optimizer.state()
    for name in ("table.done", "table.seen", "steps", "rates"):
        del state[name]
    after = Optimizer(network, weight_decay=0.0)
    after.load(state)
    after.begin_update()
    assert after.items.recent_rows().tolist() == [0, 3]


def test_a_row_that_begins_to_learn_late_has_no_earlier_steps() -> None:
    network = model()
    optimizer = Optimizer(network, weight_decay=0.0)
    for _ in range(3):
        one_step(network, optimizer, [0])
    optimizer = in_next_update(network, optimizer)
    optimizer.items.catch_up(torch.tensor([0, 5]))
    one_step(network, optimizer, [0, 5])
    assert optimizer.state()["table.steps"].tolist() == [4, 0, 0, 0, 0, 1]


def test_a_state_fits_a_larger_catalogue_but_not_a_smaller_one() -> None:
    small = model(4)
    optimizer = Optimizer(small, weight_decay=0.0)
    one_step(small, optimizer, [0])
    grown = Optimizer(model(6), weight_decay=0.0)
    grown.load(optimizer.state())
    assert grown.state()["table.steps"].tolist() == [1, 0, 0, 0, 0, 0]
    with pytest.raises(ValueError, match=r"its table has 6 rows.*train with mode full"):
        optimizer.load(grown.state())


@pytest.mark.parametrize(("is_update", "multiple"), [(False, GATE_RATE), (True, 1.0)])
def test_gates_open_fast_in_full_retrains(is_update: bool, multiple: float) -> None:
    """A first step of Adam is as long as the rate, whatever the gradient."""
    torch.manual_seed(0)
    network = TwoTowers(CONFIG, 6, (Slot(name="picture", width=3),))
    optimizer = Optimizer(network, weight_decay=0.0)
    if is_update:
        optimizer.begin_update()
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    one_step(network, optimizer, [0, 1])
    moved = {
        name: float((weight.detach() - before[name]).abs().max())
        for name, weight in network.named_parameters()
    }
    assert before["slots.picture.gate"] == 0.0
    assert moved["slots.picture.gate"] == pytest.approx(0.01 * multiple, rel=1e-3)
    assert moved["slots.picture.adapter.weight"] == pytest.approx(0.01, rel=1e-3)
