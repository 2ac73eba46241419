"""Learns from choices whose rewards are known.

The model predicts the reward of the shown action. An example weighs `1 / (probability * number of
actions)`: 1 for a choice among all alike, more for an action that was unlikely. So each action
counts as if all had been shown equally often.
"""

from __future__ import annotations

from collections.abc import Iterable

from cron.contextual.example import Example
from cron.contextual.features import interactions
from cron.contextual.linear_model import LinearModel
from cron.contextual.policy_values import ValueTotals, add_choice


def learn(
    model: LinearModel, totals: ValueTotals, examples: Iterable[tuple[Example, float]]
) -> ValueTotals:
    """Teach the model examples with their rewards, in order; return the new sums."""
    for example, reward in examples:
        totals = add_choice(totals, example, reward)
        _teach(model, example, reward)
    return totals


def _teach(model: LinearModel, example: Example, reward: float) -> None:
    shown = interactions(example.context, example.shown)
    if not example.others:
        weight = 1 / (example.probability * example.num_actions)
        model.learn(shown, reward, weight=weight)
        return
    model.learn(shown, reward, weight=1.0)
    # Nobody knows what the existing logic's other actions would have earned. Until exploration
    # tells, they are worth nothing, so that the model takes over where the existing logic stands.
    for action in example.others:
        skipped = interactions(example.context, action)
        model.learn(skipped, min(reward, 0.0), weight=1 / len(example.others))
