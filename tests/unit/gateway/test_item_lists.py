"""Scores of trends, and windows as queries name them."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from cron.item_counts import MAX_WINDOW
from gateway.errors import BadQuery
from gateway.items.trends import trend_score
from gateway.items.windows import parse_window


def test_the_score_is_the_root_of_dunnings_ratio() -> None:
    """His own example (table 1, "the swiss"): 110 of 2,552 against 111 of 29,114; G² is 270.72."""
    score = trend_score(110, 110 + 2_442, 111, 111 + 29_114)
    assert score**2 == pytest.approx(270.72, abs=0.01)


def test_a_share_that_did_not_grow_is_no_trend() -> None:
    assert trend_score(50, 1_000, 500, 10_000) == 0.0
    assert trend_score(40, 1_000, 500, 10_000) == 0.0
    assert trend_score(51, 1_000, 500, 10_000) > 0.0


def test_few_events_and_no_time_before_are_no_trend() -> None:
    assert trend_score(4, 1_000, 0, 1_000_000) == 0.0
    assert trend_score(5, 1_000, 0, 1_000_000) > 0.0
    assert trend_score(500, 1_000, 0, 0) == 0.0


def test_a_shop_where_everything_doubles_has_no_trends() -> None:
    assert trend_score(200, 20_000, 2_800, 280_000) == 0.0


def test_the_only_item_of_a_window_has_a_finite_score() -> None:
    assert math.isfinite(trend_score(10, 10, 0, 10))


@pytest.mark.parametrize(
    ("text", "length"),
    [("1h", timedelta(hours=1)), ("48h", timedelta(days=2)), ("28d", timedelta(days=28))],
)
def test_windows_are_hours_or_days(text: str, length: timedelta) -> None:
    assert parse_window(text, longest=MAX_WINDOW) == length


@pytest.mark.parametrize("text", ["", "0h", "49h", "29d", "1w", "-1d", "1 d", "1D", "٣d", "999d"])
def test_other_windows_are_refused(text: str) -> None:
    with pytest.raises(BadQuery, match="window: found"):
        parse_window(text, longest=MAX_WINDOW)
