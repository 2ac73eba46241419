"""A planted shop of lists by `plackett_luce`, where the worth of greedy lists is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cron.evaluation.logged_slates import Floats, Integers

NUM_USERS, NUM_ITEMS, POOL, K = 400, 1_000, 60, 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LuceLists:
    """Lists with the ranks of their items in the greedy list, and what is true of them."""

    rank_NK: Integers
    propensity_NK: Floats
    reward_NK: Floats
    outside: float
    given_up: float


class LuceShop:
    """Users with scores of their own; what an item earns follows its score, with noise."""

    def __init__(self, *, temperature: float, has_position_bias: bool) -> None:
        generator = np.random.default_rng(3)
        scores_UP = np.sort(generator.standard_normal((NUM_USERS, NUM_ITEMS)), axis=1)
        scores_UP = scores_UP[:, : -POOL - 1 : -1]
        scores_UP /= scores_UP.std(axis=1, keepdims=True)
        noise_UP = 0.5 * generator.standard_normal(scores_UP.shape)
        worth_UP = scores_UP - scores_UP[:, :1].mean() + noise_UP
        self._logits_UP = scores_UP / temperature
        self._earns_UP = 0.3 / (1 + np.exp(-worth_UP))
        place_K = np.arange(1, K + 1)
        self._examined_K = np.ones(K)
        if has_position_bias:
            self._examined_K = 1 / np.log2(1 + place_K)

    def serve(self, num_lists: int, *, seed: int) -> LuceLists:
        """Draw lists for random users, and let them click."""
        generator = np.random.default_rng(seed)
        user_N = generator.integers(NUM_USERS, size=num_lists)
        logits_NP = self._logits_UP[user_N]
        order_NK = np.argsort(-(logits_NP + generator.gumbel(size=logits_NP.shape)), axis=1)[:, :K]
        weights_NP = np.exp(logits_NP - logits_NP[:, :1])
        propensity_NK, every_N = np.empty(order_NK.shape), np.arange(num_lists)
        for place in range(K):
            chosen_N = order_NK[:, place]
            propensity_NK[:, place] = weights_NP[every_N, chosen_N] / weights_NP.sum(axis=1)
            weights_NP[every_N, chosen_N] = 0
        chance_NK = self._earns_UP[user_N[:, np.newaxis], order_NK] * self._examined_K
        greedy = float((self._earns_UP[user_N, :K] * self._examined_K).sum(axis=1).mean())
        return LuceLists(
            rank_NK=np.where(order_NK < K, order_NK + 1, 0),
            propensity_NK=propensity_NK,
            reward_NK=(generator.random(chance_NK.shape) < chance_NK).astype(float),
            outside=float((order_NK >= K).mean()),
            given_up=greedy - float(chance_NK.sum(axis=1).mean()),
        )
