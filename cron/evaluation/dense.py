"""Rows of slates as matrices of N slates and K positions, which the formulas read.

A position that a slate does not have earns 0 and has weight 1, so it changes no product of weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cron.evaluation.logged_slates import Floats, Integers, LoggedSlates

Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseSlates:
    """Served slates in the order of their numbers."""

    user_N: Integers
    shown_NK: Booleans
    reward_NK: Floats
    weight_NK: Floats  # target / logging, given the items before
    unsupported_NK: Floats | None = None
    marginal_weight_NK: Floats | None = None
    predicted_logged_NK: Floats | None = None
    predicted_target_NK: Floats | None = None


def dense_slates(slates: LoggedSlates) -> DenseSlates:
    """Arrange rows as matrices; N or K is 0 without rows."""
    _, first_N, slate_of_R = np.unique(slates.slate_R, return_index=True, return_inverse=True)
    num_positions = int(slates.position_R.max()) + 1 if len(slates.position_R) else 0
    shape, place_R = (len(first_N), num_positions), (slate_of_R, slates.position_R)

    def matrix(values_R: Floats, otherwise: float = 0.0) -> Floats:
        values_NK = np.full(shape, otherwise)
        values_NK[place_R] = values_R
        return values_NK

    marginal, predicted = slates.marginal, slates.predicted
    shown_NK = np.zeros(shape, dtype=np.bool_)
    shown_NK[place_R] = True
    marginal_weight_NK = predicted_logged_NK = predicted_target_NK = unsupported_NK = None
    if marginal is not None:
        marginal_weight_NK = matrix(marginal.target_R / marginal.logging_R, 1.0)
    if predicted is not None:
        predicted_logged_NK = matrix(predicted.logged_R)
        predicted_target_NK = matrix(predicted.target_R)
    if slates.unsupported_R is not None:
        unsupported_NK = matrix(slates.unsupported_R)
    return DenseSlates(
        user_N=slates.user_R[first_N],
        shown_NK=shown_NK,
        reward_NK=matrix(slates.reward_R),
        weight_NK=matrix(slates.target_R / slates.logging_R, 1.0),
        unsupported_NK=unsupported_NK,
        marginal_weight_NK=marginal_weight_NK,
        predicted_logged_NK=predicted_logged_NK,
        predicted_target_NK=predicted_target_NK,
    )
