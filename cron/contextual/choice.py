"""One choice among actions: its scores, its probabilities, and what is to be learned.

In *online* mode the model chooses, with exploration. In *apprentice* mode the existing logic does:
the baseline action is served with probability 1, and the model's own choice is only compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cron.contextual.example import Example
from cron.contextual.exploration import best_shares, draw, with_exploration
from cron.contextual.features import FeatureVector, interactions
from cron.contextual.linear_model import LinearModel

Mode = Literal["online", "apprentice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionQuestion:
    """Which of some actions to take, of which at least one is allowed.

    `baseline` is the place of the existing logic's action, which is allowed; None when another
    choice took it.
    """

    context: FeatureVector
    actions: Sequence[FeatureVector]
    allowed: Sequence[bool]
    baseline: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionChoice:
    """The chosen action's place, all scores and probabilities, and the example without reward."""

    chosen: int
    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    example: Example


def choose(
    model: LinearModel, question: ActionQuestion, *, mode: Mode, epsilon: float, seed: str
) -> ActionChoice:
    """Choose an action; the same seed, model and question give the same choice."""
    allowed = question.allowed
    crossed = [interactions(question.context, action) for action in question.actions]
    scores = tuple(model.predict(one) for one in crossed)
    shares = best_shares(scores, allowed)
    if mode == "apprentice" and question.baseline is not None:
        probabilities = tuple(float(at == question.baseline) for at in range(len(scores)))
    else:
        probabilities = with_exploration(shares, allowed, epsilon=epsilon)
    chosen = draw(probabilities, seed=seed)
    return ActionChoice(
        chosen=chosen,
        scores=scores,
        probabilities=probabilities,
        example=_example(question, chosen, shares, probabilities, mode),
    )


def _example(
    question: ActionQuestion,
    chosen: int,
    shares: Sequence[float],
    probabilities: Sequence[float],
    mode: Mode,
) -> Example:
    baseline = question.baseline
    others = [at for at, is_allowed in enumerate(question.allowed) if is_allowed and at != chosen]
    supported = [probability > 0 for probability in probabilities]
    return Example(
        context=question.context,
        shown=question.actions[chosen],
        # what the existing logic skipped is learned as well
        others=tuple(question.actions[at] for at in others if mode == "apprentice"),
        probability=probabilities[chosen],
        num_actions=sum(question.allowed),
        learned_share=shares[chosen],
        supported_share=sum(
            share for share, is_possible in zip(shares, supported, strict=True) if is_possible
        ),
        is_baseline=chosen == baseline,
        has_baseline=baseline is not None and supported[baseline],
        agreement=0.0 if baseline is None else shares[baseline],
    )
