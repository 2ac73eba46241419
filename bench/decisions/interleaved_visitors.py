"""Visitors who click on interleaved lists or on one of two: how soon is the better found?

Each visitor has a relevance for every item, and sees lists made by two rankers with different
amounts of noise. A click's probability falls with the position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import numpy as np

from cron.experiments.confidence_sequence import interval_at_all_times
from cron.experiments.differences import difference, mean_reward, reward_estimate
from cron.experiments.interleaving import credit, draft_teams, preference_of_user
from cron.experiments.user_sums import UserSums, UserTotals, sum_users

MAX_USERS = 20_000
_STEP = 250  # users between two looks
_NUM_ITEMS = 30
_K = 10
_NOISE = 1.0
_EFFECT = 0.05  # the relative effect that is looked for


def users_until_preferred(
    generator: np.random.Generator, *, better_by: float, is_interleaved: bool
) -> int | None:
    """Return after how many users one list is preferred; None for never.

    The second ranker's noise is smaller by the share `better_by`.
    """
    coin = Random(int(generator.integers(2**32)))
    clicks, first, second = UserSums(), UserSums(), UserSums()
    for num_users in range(_STEP, MAX_USERS + 1, _STEP):
        visits = _visits(generator, coin, better_by=better_by, is_interleaved=is_interleaved)
        clicks += sum_users(clicks_on_all for clicks_on_all, _, _ in visits)
        first += sum_users(one for _, one, is_second in visits if not is_second)
        second += sum_users(one for _, one, is_second in visits if is_second)
        found = reward_estimate(first) if is_interleaved else difference(first, second)
        if found is None:
            continue
        interval = interval_at_all_times(found, scale=_EFFECT * mean_reward(clicks), alpha=0.05)
        if not interval.has(0.0):
            return num_users
    return None


def _visits(
    generator: np.random.Generator, coin: Random, *, better_by: float, is_interleaved: bool
) -> list[tuple[UserTotals, UserTotals, bool]]:
    """Return the clicks of some visitors, their reward, and whether they saw the second list."""
    relevance_UI = generator.normal(size=(_STEP, _NUM_ITEMS))
    noise_UI = generator.normal(size=(2, _STEP, _NUM_ITEMS)) * _NOISE
    noise_UI[1] *= 1 - better_by
    orders = np.argsort(-(relevance_UI + noise_UI), axis=2)[:, :, :_K]
    visits = []
    for user in range(_STEP):
        names = [[str(item) for item in orders[ranker, user]] for ranker in (0, 1)]
        relevance = relevance_UI[user]
        if is_interleaved:
            draft = draft_teams(names[0], names[1], k=_K, coin=coin)
            rewards = _clicks(draft.items, relevance.tolist(), coin)
            total = UserTotals(reward=sum(rewards.values()))
            visits.append((total, preference_of_user([credit(draft, rewards)]), False))
        else:
            is_second = coin.random() < 0.5
            rewards = _clicks(names[int(is_second)], relevance.tolist(), coin)
            total = UserTotals(reward=sum(rewards.values()))
            visits.append((total, total, is_second))
    return visits


def _clicks(items: Sequence[str], relevance: Sequence[float], coin: Random) -> Mapping[str, float]:
    """Return 1 for each clicked item."""
    clicked = {}
    for position, item in enumerate(items, start=1):
        probability = 0.3 / (1 + np.exp(-2 * relevance[int(item)])) / position**0.5
        if coin.random() < probability:
            clicked[item] = 1.0
    return clicked
