"""Logs of single choices for the tests of evaluation."""

from __future__ import annotations

import numpy as np

from cron.evaluation.logged_slates import Floats, LoggedSlates


def choices(reward: Floats, logging: Floats, target: Floats) -> LoggedSlates:
    """Return slates of one item, each by a user of its own."""
    rows = np.arange(len(reward))
    return LoggedSlates(
        slate_R=rows,
        position_R=np.zeros_like(rows),
        user_R=rows,
        reward_R=np.asarray(reward, dtype=float),
        logging_R=np.asarray(logging, dtype=float),
        target_R=np.asarray(target, dtype=float),
    )


def many_choices(num: int = 2_000, seed: int = 0) -> LoggedSlates:
    """Return choices between two items: the target prefers the better one."""
    generator = np.random.default_rng(seed)
    is_better = generator.random(num) < 0.5
    reward = generator.random(num) < np.where(is_better, 0.3, 0.1)
    return choices(reward.astype(float), np.full(num, 0.5), np.where(is_better, 0.8, 0.2))
