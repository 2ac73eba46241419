"""The best k of many scores, in little more than two passes over them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]
# Blocks of scores for each wanted row, so that few more than k scores reach the limit.
BLOCKS_PER_ROW = 4
MIN_BLOCK = 8  # shorter blocks take longer than they save


def best_rows(score_N: Scores, k: int) -> tuple[Rows, Scores]:
    """Return the rows of the k highest scores and the scores, best first.

    Ties go to the lower row. Rows whose score is NaN are left out, so there may be fewer than k.
    """
    rows = np.flatnonzero(score_N >= _lower_limit(score_N, k))
    order = np.argsort(-score_N[rows], kind="stable")[:k]
    return rows[order], score_N[rows[order]]


def _lower_limit(score_N: Scores, k: int) -> float:
    """Return a number that at least k of the scores reach, and few more; −inf if fewer are left.

    It is the k-th highest of the maxima of blocks.
    """
    block = len(score_N) // (BLOCKS_PER_ROW * k) if k > 0 else 0
    if block < MIN_BLOCK:
        return -np.inf
    num_blocks = len(score_N) // block
    blocks = score_N[: num_blocks * block].reshape(num_blocks, block)
    # Without the number, a block of NaN would have the maximum NaN, which is sorted to the end.
    maxima = np.fmax(np.fmax.reduce(blocks, axis=1), -np.inf)
    return float(np.partition(maxima, num_blocks - k)[num_blocks - k])
