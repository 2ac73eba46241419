"""Served weights as a running average of trained ones, so that an update may learn at a rate that would be too rough to serve.

At each update: served ← decay · served + (1 − decay) · trained, an exponential moving average (why
averaged iterates do better than the last: Polyak & Juditsky 1992). The trained weights go on from
update to update in a candidate's state, beside the optimiser's.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from recommender.model import Trained

PREFIX = "trained."
Weights = dict[str, Tensor]


def weights_of(model: Trained) -> Weights:
    """Return a copy of all weights that are learned, on the CPU. The ratings' mean and spread are counted: an average of them is wrong."""
    return {
        name: weight.detach().cpu().clone().contiguous()
        for name, weight in model.named_parameters()
    }


def put(weights: Mapping[str, Tensor], model: Trained) -> None:
    """Give a model the weights that `weights_of` took, or what was made of them."""
    model.load_state_dict({**model.state_dict(), **weights})


def to_state(weights: Mapping[str, Tensor]) -> Weights:
    """Return weights under the names that they have in a state file."""
    return {PREFIX + name: tensor for name, tensor in weights.items()}


def from_state(state: Mapping[str, Tensor], served: Mapping[str, Tensor]) -> Weights:
    """Return the trained weights of a state; what it lacks, which is all after a full retrain and the rows of new items, is as served.

    Raise ValueError when the state is of another model.
    """
    trained = dict(served)
    for name, weight in served.items():
        kept = state.get(PREFIX + name)
        if kept is None:
            continue
        wanted = (
            (min(len(kept), len(weight)), *weight.shape[1:]) if name == "table" else weight.shape
        )
        if kept.shape != wanted:
            raise ValueError(
                f"state: {PREFIX}{name} has shape {tuple(kept.shape)}, this model's has {tuple(weight.shape)}; train with mode full"
            )
        trained[name] = torch.cat([kept, weight[len(kept) :]]) if name == "table" else kept
    return trained


def averaged(
    served: Mapping[str, Tensor], trained: Mapping[str, Tensor], *, decay: float
) -> Weights:
    """Return the weights to serve next."""
    return {name: trained[name].lerp(tensor, decay) for name, tensor in served.items()}
