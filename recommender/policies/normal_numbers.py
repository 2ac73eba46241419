"""Standard normal numbers that are found again by a seed, a row and a place.

The row and the place are a counter whose bits are mixed (Steele et al. 2014, SplitMix64), so those
of a few rows among millions cost no more than they need.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = (1 << 64) - 1


def normal_numbers(seed: int, rows_X: npt.NDArray[np.int64], num: int) -> npt.NDArray[np.float64]:
    """Return `num` numbers for each row, as an array of M = num by X (Box and Muller 1958)."""
    start = np.uint64((seed * _STEP + 1) & _MASK)
    counter_MX = (rows_X.astype(np.uint64) * np.uint64(num))[np.newaxis] + np.arange(
        num, dtype=np.uint64
    )[:, np.newaxis]
    first_MX = _uniform(start + np.uint64(2) * counter_MX)
    second_MX = _uniform(start + np.uint64(2) * counter_MX + np.uint64(1))
    numbers_MX: npt.NDArray[np.float64] = np.sqrt(-2 * np.log(first_MX)) * np.cos(
        2 * np.pi * second_MX
    )
    return numbers_MX


def _uniform(counter: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """Return numbers above 0 and at most 1; sums and products wrap around."""
    mixed = counter * np.uint64(_STEP)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(_FIRST)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_SECOND)
    mixed ^= mixed >> np.uint64(31)
    bits = (mixed >> np.uint64(11)) + np.uint64(1)
    return bits.astype(np.float64) * 2.0**-53
