"""A reward model for the direct method and doubly robust: a cross-fitted ridge regression.

The reward of an item at its place is predicted from the place, and for the items that the target
policy most probably chooses there from three more values: the model's score among theirs, how often
the item was shown, and what it has earned beyond its places (shrunken, as Koren's item bias). The
items beyond the likeliest of a place have one common prediction, so that the mean over the target
policy's choice needs their total probability alone. To that comes what the places below earn, which
is their self-normalised mean under the target policy.

Each user's slates are predicted by a model of other users (cross-fitting), so a prediction knows
nothing of the reward that it is compared with.
Sources: Dudík, Langford and Li, ICML 2011 (the two estimators); Hoerl and Kennard, Technometrics
1970 (ridge); Koren, The BellKor Solution to the Netflix Grand Prize, 2009, section 2.1 (the bias);
Chernozhukov et al., Double/Debiased Machine Learning, 2018 (cross-fitting).

R rows (items of slates), A alternatives, C choices, F features
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cron.evaluation.dense import dense_slates
from cron.evaluation.inverse_propensity import prefix_weights
from cron.evaluation.logged_slates import Floats, Integers, LoggedSlates, PredictedRewards

ALTERNATIVES = 10  # items of a place that are told apart, the likeliest
NUM_FOLDS = 5
SEED = 20_261_130
MAX_PLACES = 20  # those below have one coefficient together
_RIDGE = 1.0  # as one more row with the value 0
_SHRINKAGE = 10.0  # rows without a deviation that are added to each item


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelyChoices:
    """What the target policy would most probably choose at each row: A choices.

    `row_A` are places among the R rows, `item_A` any numbers of items, `chance_A` the probabilities
    there. `item_R` are the items of the rows.
    """

    item_R: Integers
    row_A: Integers
    item_A: Integers
    chance_A: Floats
    score_A: Floats


def predict_rewards(slates: LoggedSlates, likely: LikelyChoices) -> PredictedRewards:
    """Predict the rewards of logged rows and of the target policy's choices in their places.

    With fewer than two users there is nothing to learn from, and all predictions are 0.
    """
    users = np.unique(slates.user_R)
    if len(users) < 2:
        zeros_R = np.zeros(len(slates.user_R))
        return PredictedRewards(logged_R=zeros_R, target_R=zeros_R)
    rows = _Rows.of(slates, likely)
    fold_R = _folds(slates.user_R, users)
    logged_R, target_R = np.zeros(len(fold_R)), np.zeros(len(fold_R))
    for fold in range(int(fold_R.max()) + 1):
        model = _fit(rows, fold_R != fold)
        is_mine_R = fold_R == fold
        mine_logged_R, mine_target_R = model.predictions(rows)
        logged_R[is_mine_R] = mine_logged_R[is_mine_R]
        target_R[is_mine_R] = mine_target_R[is_mine_R]
    return PredictedRewards(logged_R=logged_R, target_R=target_R)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Logged rows, and the likely choices as rows of the same features.

    `score_R` is the relative score of a logged item that is among the likely ones, else NaN.
    `rest_R` is the probability of all other items.
    """

    place_R: Integers
    length_R: Integers
    item_R: Integers
    reward_R: Floats
    weight_R: Floats
    score_R: Floats
    rest_R: Floats
    row_A: Integers
    item_A: Integers
    chance_A: Floats
    score_A: Floats
    num_items: int

    @classmethod
    def of(cls, slates: LoggedSlates, likely: LikelyChoices) -> _Rows:
        num_rows = len(slates.slate_R)
        _, number = np.unique(np.concatenate([likely.item_R, likely.item_A]), return_inverse=True)
        item_R, item_A = number[:num_rows], number[num_rows:]
        score_A = _relative(likely.score_A, likely.row_A, num_rows)
        score_R = np.full(num_rows, np.nan)
        is_logged_A = item_A == item_R[likely.row_A]
        score_R[likely.row_A[is_logged_A]] = score_A[is_logged_A]
        given_R = np.bincount(likely.row_A, weights=likely.chance_A, minlength=num_rows)
        _, slate_R, length_J = np.unique(slates.slate_R, return_inverse=True, return_counts=True)
        return cls(
            place_R=slates.position_R,
            length_R=length_J[slate_R],
            item_R=item_R,
            reward_R=slates.reward_R,
            weight_R=prefix_weights(dense_slates(slates))[slate_R, slates.position_R],
            score_R=score_R,
            rest_R=np.maximum(0.0, 1.0 - given_R),
            row_A=likely.row_A,
            item_A=item_A,
            chance_A=likely.chance_A,
            score_A=score_A,
            num_items=int(number.max()) + 1 if len(number) else 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _FittedRewards:
    coefficient_F: Floats
    popularity_I: Floats
    bias_I: Floats
    later_P: Floats  # what the places after each of the first earn together

    def predictions(self, rows: _Rows) -> tuple[Floats, Floats]:
        """Return the predictions for the logged items, and the target policy's means."""
        later_R = self._later(rows)
        logged_R = self._reward(rows.place_R, rows.item_R, rows.score_R)
        rest_R = self._reward(rows.place_R, rows.item_R, np.full(len(rows.place_R), np.nan))
        likely_A = self._reward(rows.place_R[rows.row_A], rows.item_A, rows.score_A)
        mean_R = rows.rest_R * rest_R + np.bincount(
            rows.row_A, weights=rows.chance_A * likely_A, minlength=len(rest_R)
        )
        return logged_R + later_R, mean_R + later_R

    def _reward(self, place_C: Integers, item_C: Integers, score_C: Floats) -> Floats:
        features_CF = _features(place_C, score_C, self.popularity_I[item_C], self.bias_I[item_C])
        return np.asarray(features_CF @ self.coefficient_F)

    def _later(self, rows: _Rows) -> Floats:
        """Return what the places after each row earn, down to the end of its slate."""
        earned_P = np.append(self.later_P, 0.0)
        last = len(self.later_P)
        return np.asarray(
            earned_P[np.minimum(rows.place_R + 1, last)]
            - earned_P[np.minimum(np.maximum(rows.length_R, rows.place_R + 1), last)]
        )


def _fit(rows: _Rows, is_used_R: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> _FittedRewards:
    place_R, item_R = rows.place_R[is_used_R], rows.item_R[is_used_R]
    reward_R, score_R = rows.reward_R[is_used_R], rows.score_R[is_used_R]
    deviation_R = reward_R - _means(place_R, reward_R)[place_R]
    num_I = np.bincount(item_R, minlength=rows.num_items).astype(np.float64)
    sum_I = np.bincount(item_R, weights=deviation_R, minlength=rows.num_items)
    popularity_I = np.log1p(num_I)
    # without the row itself, or its own reward would predict it
    bias_R = (sum_I[item_R] - deviation_R) / (num_I[item_R] - 1 + _SHRINKAGE)
    features_RF = _features(place_R, score_R, popularity_I[item_R], bias_R)
    gram_FF = features_RF.T @ features_RF + _RIDGE * np.eye(features_RF.shape[1])
    return _FittedRewards(
        coefficient_F=np.asarray(np.linalg.solve(gram_FF, features_RF.T @ reward_R), np.float64),
        popularity_I=popularity_I,
        bias_I=sum_I / (num_I + _SHRINKAGE),
        later_P=_later_places(place_R, reward_R, rows.weight_R[is_used_R]),
    )


def _features(place_C: Integers, score_C: Floats, popularity_C: Floats, bias_C: Floats) -> Floats:
    """Return the features; those of the item are 0 for one that is not among the likely ones."""
    is_likely_C = ~np.isnan(score_C)
    features_CF = np.zeros((len(place_C), MAX_PLACES + 4))
    features_CF[np.arange(len(place_C)), np.minimum(place_C, MAX_PLACES - 1)] = 1.0
    more_C4 = np.stack(
        [np.ones(len(place_C)), np.nan_to_num(score_C), popularity_C, bias_C], axis=1
    )
    features_CF[:, MAX_PLACES:] = np.where(is_likely_C[:, np.newaxis], more_C4, 0.0)
    return features_CF


def _means(place_R: Integers, reward_R: Floats) -> Floats:
    """Return the mean reward of each place."""
    num_P = np.bincount(place_R)
    return np.asarray(np.bincount(place_R, weights=reward_R) / np.maximum(num_P, 1))


def _later_places(place_R: Integers, reward_R: Floats, weight_R: Floats) -> Floats:
    """Return what each place and those after it earn under the target policy, in a full slate."""
    weight_P = np.bincount(place_R, weights=weight_R)
    earned_P = np.bincount(place_R, weights=weight_R * reward_R)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_P = np.where(weight_P > 0, earned_P / weight_P, 0.0)
    return np.asarray(mean_P[::-1].cumsum()[::-1])


def _relative(score_A: Floats, row_A: Integers, num_rows: int) -> Floats:
    """Return scores in standard deviations above the mean of their row's alternatives."""
    num_R = np.maximum(np.bincount(row_A, minlength=num_rows), 1)
    mean_R = np.bincount(row_A, weights=score_A, minlength=num_rows) / num_R
    apart_A = score_A - mean_R[row_A]
    spread_R = np.sqrt(np.bincount(row_A, weights=apart_A**2, minlength=num_rows) / num_R)
    return np.asarray(apart_A / np.where(spread_R > 0, spread_R, 1.0)[row_A])


def _folds(user_R: Integers, users: Integers) -> Integers:
    """Deal the users into folds of equal size."""
    num_folds = min(NUM_FOLDS, len(users))
    fold_U = np.random.default_rng(SEED).permutation(np.arange(len(users)) % num_folds)
    return np.asarray(fold_U[np.searchsorted(users, user_R)])
