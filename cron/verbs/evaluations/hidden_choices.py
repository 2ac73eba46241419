"""What can be concluded when nobody knows with which probabilities lists were chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cron.evaluation.answered_slates import TargetSlate
from cron.evaluation.estimate import PolicyUnknown
from cron.evaluation.evaluate import EvaluationOptions
from cron.evaluation.logged_slates import LoggedSlates, PredictedRewards
from cron.evaluation.reward_model import predict_rewards
from cron.evaluation.sensitivity import (
    SensitivityBounds,
    frequency_propensities,
    sensitivity_bounds,
)
from cron.evaluation.target_rows import likely_choices, logged_slates

Bounds = SensitivityBounds | PolicyUnknown


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedValue:
    """The bounds by factor, and `mean`, what an item in its place earned as it was served."""

    mean: float
    bounds: Sequence[Bounds]


def bound_value(
    targets: Sequence[TargetSlate],
    factors: Sequence[float],
    options: EvaluationOptions | None = None,
) -> BoundedValue:
    """Bound what an item in its place earns under the target policy; each needs alternatives.

    The recorded propensities are not read. How often an item was at a place takes their part, and a
    reward model corrects it. Pinned items are left out.
    """
    rows, likely = logged_slates(targets), likely_choices(targets)
    estimated_R = frequency_propensities(likely.item_R, rows.position_R)
    # a slate for each place: what the places below earn is not a choice's own
    places = replace(rows, slate_R=np.arange(len(rows.slate_R)), logging_R=estimated_R)
    predicted = predict_rewards(places, likely)
    is_chosen_R = np.array(
        [propensity is not None for one in targets for propensity in one.propensities], np.bool_
    )
    choices = LoggedSlates(
        slate_R=places.slate_R[is_chosen_R],
        position_R=np.zeros(int(is_chosen_R.sum()), np.int64),
        user_R=places.user_R[is_chosen_R],
        reward_R=places.reward_R[is_chosen_R],
        logging_R=estimated_R[is_chosen_R],
        target_R=places.target_R[is_chosen_R],
        predicted=PredictedRewards(
            logged_R=predicted.logged_R[is_chosen_R], target_R=predicted.target_R[is_chosen_R]
        ),
    )
    return BoundedValue(
        mean=float(choices.reward_R.mean()),
        bounds=[sensitivity_bounds(choices, factor, options) for factor in factors],
    )
