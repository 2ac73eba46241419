"""The best rows equal a stable sort, also among ties, infinities and NaN."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.arrays.best_rows import best_rows

VALUES = (0.0, 1.0, 2.0, 3.0, math.inf, -math.inf, math.nan)


@given(seed=st.integers(0, 2**32 - 1), num_rows=st.integers(0, 400), k=st.integers(0, 12))
def test_best_rows_equal_a_stable_sort(seed: int, num_rows: int, k: int) -> None:
    generator = np.random.default_rng(seed)
    known = generator.choice(len(VALUES), size=generator.integers(1, 8))
    score_N = np.array(VALUES, np.float32)[generator.choice(known, size=num_rows)]
    rows, scores = best_rows(score_N, k)
    open_rows = [row for row in range(num_rows) if not math.isnan(score_N[row])]
    expected = sorted(open_rows, key=lambda row: (-score_N[row], row))[:k]
    assert rows.tolist() == expected
    assert scores.tolist() == [score_N[row] for row in expected]


def test_few_of_many_equal_a_stable_sort() -> None:
    score_N = np.random.default_rng(0).normal(size=100_003).astype(np.float32)
    score_N[:50_000] = np.nan
    rows, _ = best_rows(score_N, 10)
    assert (
        rows.tolist() == np.argsort(-np.nan_to_num(score_N, nan=-9.0), kind="stable")[:10].tolist()
    )
