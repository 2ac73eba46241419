"""The estimators' rows of slates that a model answered about, with a reward model if asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cron.evaluation.answered_slates import LikelyItem, TargetSlate
from cron.evaluation.logged_slates import LoggedSlates
from cron.evaluation.reward_model import LikelyChoices, predict_rewards


def logged_slates(targets: Sequence[TargetSlate]) -> LoggedSlates:
    """Return the rows of the estimators; a pinned item has propensity 1 on both sides."""
    users = {one.slate.user_id: 0 for one in targets}
    users = {user_id: number for number, user_id in enumerate(users)}
    rows: list[tuple[int, int, int]] = []
    values: list[tuple[float, float, float]] = []
    for number, one in enumerate(targets):
        slate = one.slate
        items = zip(slate.rewards, slate.propensities, one.propensities, strict=True)
        for position, (reward, logging, target) in enumerate(items):
            rows.append((number, position, users[slate.user_id]))
            values.append((reward, _or_one(logging), _or_one(target)))
    slate_R, position_R, user_R = np.array(rows, np.int64).reshape(-1, 3).T
    reward_R, logging_R, target_R = np.array(values, np.float64).reshape(-1, 3).T
    return LoggedSlates(
        slate_R=slate_R,
        position_R=position_R,
        user_R=user_R,
        reward_R=reward_R,
        logging_R=logging_R,
        target_R=target_R,
    )


def with_reward_model(logged: LoggedSlates, targets: Sequence[TargetSlate]) -> LoggedSlates:
    """Return the rows of the same slates with the predictions of a reward model."""
    return replace(logged, predicted=predict_rewards(logged, likely_choices(targets)))


def likely_choices(targets: Sequence[TargetSlate]) -> LikelyChoices:
    """Return the alternatives of the rows of `logged_slates`, with numbers for item ids."""
    numbers: dict[str, int] = {}
    item_R = [
        numbers.setdefault(item_id, len(numbers)) for one in targets for item_id in one.slate.items
    ]
    found: list[tuple[int, LikelyItem]] = []
    row = 0
    for one in targets:
        for place in range(len(one.slate.items)):
            likely = one.alternatives[place] if one.alternatives else ()
            found += [(row, item) for item in likely]
            row += 1
    return LikelyChoices(
        item_R=np.array(item_R, np.int64),
        row_A=np.array([row for row, _ in found], np.int64),
        item_A=np.array([numbers.setdefault(item.id, len(numbers)) for _, item in found], np.int64),
        chance_A=np.array([item.propensity for _, item in found], np.float64),
        score_A=np.array([item.score for _, item in found], np.float64),
    )


def _or_one(propensity: float | None) -> float:
    return 1.0 if propensity is None else propensity
