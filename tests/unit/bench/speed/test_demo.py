"""The demo at two commits: a ratio is of one round, since other work changes with time."""

from bench.speed.demo import comparison


def test_a_ratio_compares_values_of_one_round() -> None:
    before = [{"a list, ms": value} for value in (2.0, 10.0, 4.0)]
    now = [{"a list, ms": value} for value in (1.0, 10.0, 2.0)]
    rows = comparison(before, now, commit="abc")
    assert {row.metric: (row.value, row.unit) for row in rows} == {
        "a list, at abc": (4.0, "ms"),
        "a list, now": (2.0, "ms"),
        "a list, now over abc": (0.5, "1"),
    }
    assert rows[-1].note == "0.50 to 1.00 in 3 rounds"
