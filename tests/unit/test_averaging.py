"""Averaged weights: what is served follows what is trained, and the two go on side by side from update to update."""

import torch

from recommender.config import ModelConfig
from recommender.model import TwoTowers
from trainer import averaging

CONFIG = ModelConfig(text_dim=4, dim=8, num_layers=1, max_history=4)


def weights(num_items: int, value: float) -> averaging.Weights:
    model = TwoTowers(CONFIG, num_items)
    for weight in model.parameters():
        torch.nn.init.constant_(weight, value)
    return averaging.weights_of(model)


def test_what_is_served_moves_a_share_of_the_way() -> None:
    served = averaging.averaged(weights(3, 1.0), weights(3, 2.0), decay=0.75)
    assert all(torch.allclose(served[name], torch.full_like(served[name], 1.25)) for name in ("table", "adapter.weight"))


def test_without_decay_the_trained_weights_are_served() -> None:
    trained = weights(3, 2.0)
    assert torch.equal(averaging.averaged(weights(3, 1.0), trained, decay=0.0)["table"], trained["table"])


def test_trained_weights_go_on_and_new_items_begin_as_they_are_served() -> None:
    state = averaging.to_state(weights(3, 2.0)) | {"table.mean": torch.zeros(3, 10)}
    trained = averaging.from_state(state, weights(5, 0.0))
    assert trained["table"][:3].eq(2.0).all()
    assert trained["table"][3:].eq(0.0).all()
    assert trained["adapter.weight"].eq(2.0).all()


def test_after_a_full_retrain_the_served_weights_are_the_trained_ones() -> None:
    served = weights(3, 1.0)
    trained = averaging.from_state({"table.mean": torch.zeros(3, 10)}, served)
    assert all(torch.equal(trained[name], served[name]) for name in served)
