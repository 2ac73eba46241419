"""Estimators that weigh logged rewards by inverse propensities.

Shared by all: a slate i has items a_1 … a_L with rewards r_1 … r_L, w_k is target / logging
propensity of a_k given the items before it, and V is the mean reward of a slate. Without slates
there is no estimate. A weight above `clip` becomes `clip`: less variance, and a bias towards 0
where rewards are positive (Ionides, Truncated Importance Sampling, 2008). Ties do not occur.
"""

from __future__ import annotations

import numpy as np

from cron.evaluation.contributions import Contributions
from cron.evaluation.dense import DenseSlates
from cron.evaluation.logged_slates import Floats


def ips(slates: DenseSlates, clip: float | None = None) -> Contributions:
    """Weigh each slate by its whole probability: no assumption on how users behave.

    V = 1/N Σ_i (Π_k w_ik) Σ_k r_ik. For a slate of one item it is ordinary IPS (Horvitz and
    Thompson 1952). Unbiased without clipping, with a variance that grows with the list's length.
    Source: McInerney et al., Counterfactual Evaluation of Slate Recommendations with Sequential
    Reward Interactions, KDD 2020, eq. 1.
    """
    return _whole_slates(slates, clip, is_self_normalised=False)


def snips(slates: DenseSlates, clip: float | None = None) -> Contributions:
    """Weigh whole slates, and divide by the sum of the weights in place of N.

    V = Σ_i w_i R_i / Σ_i w_i, with w_i = Π_k w_ik and R_i = Σ_k r_ik. Biased by order 1/N, never
    outside the range of the rewards. Undefined when all weights are 0.
    Source: Swaminathan and Joachims, The Self-Normalized Estimator for Counterfactual Learning,
    NeurIPS 2015.
    """
    return _whole_slates(slates, clip, is_self_normalised=True)


def independent_ips(slates: DenseSlates, clip: float | None = None) -> Contributions:
    """Weigh each position by its marginal propensities.

    V = 1/N Σ_i Σ_k m_ik r_ik, with m the ratio of marginal propensities. Unbiased if the reward of
    a position depends on its own item alone. Raise ValueError without marginal propensities.
    Source: Li et al., Offline Evaluation of Ranking Policies with Click Models, KDD 2018 (the
    item-position model); McInerney et al., KDD 2020, eq. 2.
    """
    return _by_position(slates, _marginal_weights(slates), clip, is_self_normalised=False)


def independent_snips(slates: DenseSlates, clip: float | None = None) -> Contributions:
    """Weigh each position by its marginal propensities, self-normalised by position.

    V = Σ_k n_k/N × Σ_i m_ik r_ik / Σ_i m_ik, where n_k slates have position k.
    """
    return _by_position(slates, _marginal_weights(slates), clip, is_self_normalised=True)


def interaction_ips(slates: DenseSlates, clip: float | None = None) -> Contributions:
    """Weigh each position by the probability of the items up to it.

    V = 1/N Σ_i Σ_k (Π_{j≤k} w_ij) r_ik. Unbiased if a reward depends on no item below it (cascade).
    Source: McInerney et al., KDD 2020, eq. 3 and 4 (reward-interaction IPS).
    """
    return _by_position(slates, prefix_weights(slates), clip, is_self_normalised=False)


def interaction_snips(slates: DenseSlates, clip: float | None = None) -> Contributions:
    """Weigh each position by the probability of the items up to it, self-normalised by position.

    V = Σ_k n_k/N × Σ_i w_i,1:k r_ik / Σ_i w_i,1:k, where n_k slates have position k.
    """
    return _by_position(slates, prefix_weights(slates), clip, is_self_normalised=True)


def prefix_weights(slates: DenseSlates) -> Floats:
    """Return the weights of the items up to each position."""
    return np.asarray(slates.weight_NK.cumprod(axis=1))


def clip_weights(weight_NK: Floats, shown_NK: Floats, clip: float | None) -> tuple[Floats, float]:
    """Return the weights below `clip`, and the share of all weight that was removed."""
    if clip is None:
        return weight_NK, 0.0
    kept_NK = np.minimum(weight_NK, clip)
    total = float((weight_NK * shown_NK).sum())
    return kept_NK, 1 - float((kept_NK * shown_NK).sum()) / total if total > 0 else 0.0


def _whole_slates(
    slates: DenseSlates, clip: float | None, *, is_self_normalised: bool
) -> Contributions:
    shown_N1 = np.ones((len(slates.user_N), 1))
    weight_N1 = slates.weight_NK.prod(axis=1, keepdims=True)
    weight_N1, removed = clip_weights(weight_N1, shown_N1, clip)
    return Contributions(
        user_N=slates.user_N,
        earned_NK=weight_N1 * slates.reward_NK.sum(axis=1, keepdims=True),
        normaliser_NK=weight_N1 if is_self_normalised else shown_N1,
        shown_NK=shown_N1,
        weight_NK=weight_N1,
        removed_weight=removed,
    )


def _by_position(
    slates: DenseSlates, weight_NK: Floats, clip: float | None, *, is_self_normalised: bool
) -> Contributions:
    shown_NK = slates.shown_NK.astype(np.float64)
    weight_NK, removed = clip_weights(weight_NK, shown_NK, clip)
    return Contributions(
        user_N=slates.user_N,
        earned_NK=weight_NK * slates.reward_NK,
        normaliser_NK=weight_NK * shown_NK if is_self_normalised else shown_NK,
        shown_NK=shown_NK,
        weight_NK=weight_NK,
        removed_weight=removed,
    )


def _marginal_weights(slates: DenseSlates) -> Floats:
    if slates.marginal_weight_NK is None:
        raise ValueError("position-independent IPS needs the marginal propensities")
    return slates.marginal_weight_NK
