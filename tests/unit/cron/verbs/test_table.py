"""What the reading verbs draw."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cron.verbs.table import age, sparkline, table


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h 0 min"),
        (172_799, "47 h 59 min"),
        (180_000, "2 d 2 h"),
    ],
)
def test_ages(seconds: int, said: str) -> None:
    assert age(timedelta(seconds=seconds)) == said


def test_a_sparkline_spans_its_range_and_keeps_the_newest() -> None:
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert sparkline([3.0, 3.0]) == "▄▄"
    assert sparkline([]) == ""
    assert sparkline([9.0, 0.0, 1.0], width=2) == "▁█"


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table(["a", "long name"], [["wide cell", "1"]]) == "a          long name\nwide cell  1"
