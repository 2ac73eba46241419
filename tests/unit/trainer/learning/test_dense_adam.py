"""Our AdamW takes the steps of torch's, which it replaces in states and checkpoints."""

import torch
from torch import nn

from trainer.learning.dense_adam import DenseAdam

BETAS, EPSILON, DECAY = (0.9, 0.99), 1e-8, 0.1


def weights() -> dict[str, nn.Parameter]:
    torch.manual_seed(0)
    return {"matrix": nn.Parameter(torch.randn(5, 3)), "bias": nn.Parameter(torch.randn(3))}


def adam_of(named: dict[str, nn.Parameter]) -> DenseAdam:
    return DenseAdam(
        named,
        decayed=frozenset({"matrix"}),
        weight_decay=DECAY,
        betas=BETAS,
        epsilon=EPSILON,
    )


def test_steps_are_those_of_torch() -> None:
    """The matrix decays; the state is restored halfway by another object."""
    ours, theirs = weights(), weights()
    groups = [
        {"params": [theirs["matrix"]], "weight_decay": DECAY},
        {"params": [theirs["bias"]], "weight_decay": 0.0},
    ]
    expected = torch.optim.AdamW(groups, lr=0.0, betas=BETAS, eps=EPSILON)
    adam = adam_of(ours)
    for number in range(40):
        lr = 0.01 * (1 + number % 3)
        gradients = [torch.randn_like(weight) for weight in ours.values()]
        for weight, gradient in zip(theirs.values(), gradients, strict=True):
            weight.grad = gradient.clone()
        for group in expected.param_groups:
            group["lr"] = lr
        expected.step()
        adam.step(gradients, lr=lr)
        if number == 20:
            state, adam = adam.state(), adam_of(ours)
            adam.load(state)
    for name in ours:
        assert torch.allclose(ours[name], theirs[name], rtol=1e-6, atol=0), name
        assert torch.allclose(
            adam.state()[f"{name}.exp_avg_sq"], expected.state[theirs[name]]["exp_avg_sq"]
        )


def test_a_state_of_torch_is_restored() -> None:
    """States from before our own AdamW have its keys."""
    theirs = weights()
    torch_adam = torch.optim.AdamW(theirs.values(), lr=0.01)
    for weight in theirs.values():
        weight.grad = torch.ones_like(weight)
    torch_adam.step()
    saved = {
        f"{name}.{key}": value
        for name, weight in theirs.items()
        for key, value in torch_adam.state[weight].items()
    }
    adam = adam_of(weights())
    adam.load(saved)
    assert {
        name: torch.equal(value, saved[name]) for name, value in adam.state().items()
    } == dict.fromkeys(saved, True)
