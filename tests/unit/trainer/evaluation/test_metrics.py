"""Metrics: the formula, the empty case, users without events."""

import math

import numpy as np
import pytest

from trainer.evaluation.metrics import coverage, ndcg, user_means


@pytest.mark.parametrize(
    ("top", "target", "value"),
    [
        ([7, 3], 7, 1.0),
        ([3, 7], 7, 1 / math.log2(3)),
        ([1, 2, 3, 4, 5, 6, 8, 9, 10, 7], 7, 1 / math.log2(11)),
        ([3], 7, 0.0),
        ([], 7, 0.0),
        ([3], -1, 0.0),
    ],
)
def test_ndcg_is_the_discount_of_the_target_place(
    top: list[int], target: int, value: float
) -> None:
    assert ndcg(top, target) == pytest.approx(value)


def test_user_means_skip_nan_and_are_none_without_values() -> None:
    assert user_means(np.array([1.0, 3.0, np.nan, 5.0]), np.array([0, 0, 1, 2]), 4) == [
        2.0,
        None,
        5.0,
        None,
    ]


def test_coverage_counts_items_once() -> None:
    assert coverage([np.array([1, 2]), np.array([2, 3])], 6) == 0.5
    assert coverage([], 6) == 0.0
    assert coverage([], 0) == 0.0
