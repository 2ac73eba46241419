"""Served weights follow the trained ones, and both are passed from update to update."""

import math

import pytest
import torch

from recommender.config import ModelConfig
from recommender.network.model import TwoTowers
from trainer.learning import averaging

CONFIG = ModelConfig(text_dim=4, dim=8, num_layers=1, max_history=4)


def model_of(num_items: int, value: float) -> TwoTowers:
    model = TwoTowers(CONFIG, num_items)
    for weight in model.parameters():
        torch.nn.init.constant_(weight, value)
    return model


def weights(num_items: int, value: float) -> averaging.Weights:
    return averaging.weights_of(model_of(num_items, value))


ALL = torch.arange(3)


def test_what_is_served_moves_a_share_of_the_way() -> None:
    model = model_of(3, 2.0)
    averaging.move_towards(model, weights(3, 1.0), {"table": ALL}, decay=0.75)
    served = averaging.weights_of(model)
    assert all(
        torch.allclose(served[name], torch.full_like(served[name], 1.25))
        for name in ("table", "adapter.weight")
    )


def test_rows_of_no_recent_update_are_served_as_before() -> None:
    model = model_of(3, 2.0)
    averaging.move_towards(model, weights(3, 1.0), {"table": torch.tensor([1])}, decay=0.75)
    assert model.table.mean(dim=1).tolist() == [1.0, 1.25, 1.0]


def test_without_decay_the_trained_weights_are_served() -> None:
    model = model_of(3, 2.0)
    averaging.move_towards(model, weights(3, 1.0), {"table": ALL}, decay=0.0)
    assert torch.equal(averaging.weights_of(model)["table"], weights(3, 2.0)["table"])


def test_new_items_start_training_from_the_served_weights() -> None:
    state = averaging.to_state(weights(3, 2.0)) | {"table.mean": torch.zeros(3, 10)}
    trained = averaging.from_state(state, weights(5, 0.0))
    assert trained["table"][:3].eq(2.0).all()
    assert trained["table"][3:].eq(0.0).all()
    assert trained["adapter.weight"].eq(2.0).all()


def test_a_full_retrain_serves_the_trained_weights() -> None:
    served = weights(3, 1.0)
    trained = averaging.from_state({"table.mean": torch.zeros(3, 10)}, served)
    assert all(torch.equal(trained[name], served[name]) for name in served)


def test_the_mean_and_spread_of_ratings_are_not_averaged() -> None:
    model = TwoTowers(CONFIG, 3)
    state = averaging.to_state(averaging.weights_of(model))
    model.rating_mean.fill_(3.5)
    served = averaging.weights_of(model)
    averaging.set_weights(model, averaging.from_state(state, served))
    averaging.move_towards(model, served, {"table": ALL}, decay=0.5)
    assert model.rating_mean.item() == 3.5


def test_a_broken_weight_stays_broken_in_the_average() -> None:
    model = model_of(3, 2.0)
    model.table.detach()[1, 2], model.table.detach()[2, 2] = math.nan, math.inf
    averaging.move_towards(model, weights(3, 1.0), {"table": ALL}, decay=0.5)
    table_NE = averaging.weights_of(model)["table"]
    assert table_NE.isfinite().sum() == table_NE.numel() - 2, "the gate looks at what is served"


@pytest.mark.parametrize("name", ["table", "adapter.weight"])
def test_the_state_of_another_model_is_one_sentence(name: str) -> None:
    state = averaging.to_state(weights(3, 2.0))
    state[averaging.PREFIX + name] = torch.zeros(9, 9)
    with pytest.raises(
        ValueError,
        match=rf"trained\.{name} has shape \(9, 9\), but this model needs .*; train with mode full",
    ):
        averaging.from_state(state, weights(3, 1.0))


def test_a_state_of_more_items_than_the_bundle_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"trained\.table has shape \(5, 10\), but this model needs \(3, 10\)"
    ):
        averaging.from_state(averaging.to_state(weights(5, 2.0)), weights(3, 1.0))
