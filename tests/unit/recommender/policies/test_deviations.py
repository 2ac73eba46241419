"""Draws of what new items may be worth: as wide as the doubts, found again by them."""

from __future__ import annotations

import numpy as np
import pytest

from recommender.policies.deviations import NUM_DRAWS, draw_deviations

ROWS = np.arange(500)


def test_deviations_are_as_wide_as_the_doubts() -> None:
    deviations_MX = draw_deviations(ROWS, np.repeat([3.0, 0.5], 250))
    assert deviations_MX.shape == (NUM_DRAWS, len(ROWS))
    assert deviations_MX[:, :250].std() == pytest.approx(3, rel=0.02)
    assert deviations_MX[:, 250:].std() == pytest.approx(0.5, rel=0.02)
    assert abs(deviations_MX[:, :250].mean()) < 0.1


def test_the_same_doubts_bring_the_same_draws() -> None:
    """Propensities that are asked for later are those of the list."""
    doubts_X = np.full(len(ROWS), 2.0)
    assert (draw_deviations(ROWS, doubts_X) == draw_deviations(ROWS, doubts_X.copy())).all()


def test_after_an_impression_the_draws_are_others() -> None:
    """An item whose draws were low is not left out for good."""
    doubts_X = np.full(len(ROWS), 2.0)
    before_MX = draw_deviations(ROWS, doubts_X)
    doubts_X[0] = 1.9
    assert (draw_deviations(ROWS, doubts_X)[:, 1:] != before_MX[:, 1:]).mean() > 0.99
