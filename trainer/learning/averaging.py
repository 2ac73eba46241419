"""Served weights as a running average of the trained weights.

The average lets an update learn at a rate that would be too rough to serve. At each update:
served ← decay · served + (1 − decay) · trained, an exponential moving average (for why averaged
iterates do better than the last one, see Polyak & Juditsky 1992). The trained weights are passed
from update to update in a candidate's state file, with the state of the optimiser.

Of the item table, only the rows that had a gradient in this update or the one before take part. All
others are served as before, so an update changes in proportion to the rows that it trains. That
ranks as well as averaging all rows, or a little better (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from recommender.network.model import Trained
from trainer.learning.optimizer import TABLE, TERMS

PREFIX = "trained."
_TABLES = (TABLE, TERMS)
Weights = dict[str, Tensor]


def weights_of(model: Trained) -> Weights:
    """Return a copy of all learned weights on the CPU.

    The ratings' mean and spread are not among them: they are counted, not learned, so averaging
    them would be wrong.
    """
    return {
        name: weight.detach().cpu().clone().contiguous()
        for name, weight in model.named_parameters()
    }


def set_weights(model: Trained, weights: Mapping[str, Tensor]) -> None:
    """Set the learned weights of a model, named as by `weights_of`."""
    model.load_state_dict({**model.state_dict(), **weights})


def to_state(weights: Mapping[str, Tensor]) -> Weights:
    """Return the weights under their names in a state file."""
    return {PREFIX + name: tensor for name, tensor in weights.items()}


def from_state(state: Mapping[str, Tensor], served: Mapping[str, Tensor]) -> Weights:
    """Return the trained weights of a state, with the served value for what the state lacks.

    It lacks all of them after a full retrain, and the rows of new items after an update. Raise
    ValueError when the state belongs to another model.
    """
    trained = dict(served)
    for name, weight in served.items():
        kept = state.get(PREFIX + name)
        if kept is None:
            continue
        wanted = weight.shape
        if name in _TABLES:
            wanted = torch.Size([min(len(kept), len(weight)), *weight.shape[1:]])
        if kept.shape != wanted:
            raise ValueError(
                f"state: {PREFIX}{name} has shape {tuple(kept.shape)}, "
                f"but this model needs {tuple(weight.shape)}; train with mode full"
            )
        trained[name] = torch.cat([kept, weight[len(kept) :]]) if name in _TABLES else kept
    return trained


@torch.no_grad()
def move_towards(
    model: Trained,
    served: Mapping[str, Tensor],
    recent: Mapping[str, Tensor],
    *,
    decay: float,
) -> None:
    """Replace a model's trained weights, which are on the CPU, by those to serve next.

    `recent` has rows of the tables by name; other rows are served as before.
    """
    for name, weight in model.named_parameters():
        if name not in _TABLES:
            weight.lerp_(served[name], decay)
            continue
        recent_X = recent[name]
        nearer_XE = weight[recent_X].lerp(served[name][recent_X], decay)
        weight.copy_(served[name])
        weight[recent_X] = nearer_XE
