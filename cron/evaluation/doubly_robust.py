"""Estimators that use a reward model: the direct method, and doubly robust.

Notation as in `cron.evaluation.inverse_propensity`. Q_k is the prediction for the logged item at
position k (the reward from there on), and E_k its mean over the target policy's choice there.
"""

from __future__ import annotations

import numpy as np

from cron.evaluation.contributions import Contributions
from cron.evaluation.dense import DenseSlates
from cron.evaluation.inverse_propensity import clip_weights, prefix_weights
from cron.evaluation.logged_slates import Floats


def direct(slates: DenseSlates) -> Contributions:
    """Return the reward model's own prediction, which no logged reward corrects.

    V = 1/N Σ_i E_i1: the prediction at a slate's first position is of the whole slate. It has no
    variance from weights and all of the model's bias, so it claims no interval. Raise ValueError
    without predictions.
    Source: Dudík, Langford and Li, Doubly Robust Policy Evaluation and Learning, ICML 2011.
    """
    _, expected_NK = _predictions(slates)
    first_N1 = slates.shown_NK.argmax(axis=1)[:, np.newaxis]
    ones_N1 = np.ones((len(slates.user_N), 1))
    return Contributions(
        user_N=slates.user_N,
        earned_NK=np.take_along_axis(expected_NK, first_N1, axis=1),
        normaliser_NK=ones_N1,
        shown_NK=ones_N1,
        weight_NK=ones_N1,
    )


def doubly_robust(slates: DenseSlates, clip: float | None = None) -> Contributions:
    """Correct the reward model by weighted residuals, position by position.

    V = 1/N Σ_i Σ_k [ w_i,1:k (r_ik − Q_ik) + w_i,1:k−1 E_ik ], with w_i,1:0 = 1. For a slate of one
    item it is ordinary DR, w (r − Q) + E (Dudík, Langford and Li, ICML 2011). Unbiased if rewards
    depend on no item below them and the propensities are right; a good model only reduces the
    variance. Clipping takes weight from both terms. Raise ValueError without predictions.
    Source: Kiyohara et al., Doubly Robust Off-Policy Evaluation for Ranking Policies under the
    Cascade Behavior Model, WSDM 2022, section 3.1.
    """
    predicted_NK, expected_NK = _predictions(slates)
    shown_NK = slates.shown_NK.astype(np.float64)
    weight_NK, removed = clip_weights(prefix_weights(slates), shown_NK, clip)
    before_NK = np.hstack([np.ones((len(weight_NK), 1)), weight_NK[:, :-1]])[
        :, : weight_NK.shape[1]
    ]
    earned_NK = weight_NK * (slates.reward_NK - predicted_NK) + before_NK * expected_NK
    return Contributions(
        user_N=slates.user_N,
        earned_NK=earned_NK * shown_NK,
        normaliser_NK=shown_NK,
        shown_NK=shown_NK,
        weight_NK=weight_NK,
        removed_weight=removed,
    )


def _predictions(slates: DenseSlates) -> tuple[Floats, Floats]:
    if slates.predicted_logged_NK is None or slates.predicted_target_NK is None:
        raise ValueError("this estimator needs the rewards that a model predicts")
    return slates.predicted_logged_NK, slates.predicted_target_NK
