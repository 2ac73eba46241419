"""Which launcher trains what, and what an hour of it costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cron.urls.launcher_table import launcher_of, parse_launchers, parse_prices, price_of
from recommender.requests.wire import BadRequest

TABLE = {
    "full": "ray://head:10001?workers=1:4",
    "full_from_1000000": "ray://head:10001?workers=8",
    "update_from_100000": "torchrun:?nproc=4",
}


def chosen_url(*, is_full: bool, num_new_events: int) -> str:
    return launcher_of(TABLE, is_full=is_full, num_new_events=num_new_events, otherwise="process:")


def test_the_row_with_the_most_events_that_are_there_is_taken() -> None:
    assert chosen_url(is_full=False, num_new_events=99_999) == "process:"
    assert chosen_url(is_full=False, num_new_events=100_000) == TABLE["update_from_100000"]
    assert chosen_url(is_full=True, num_new_events=0) == TABLE["full"]
    assert chosen_url(is_full=True, num_new_events=2_000_000) == TABLE["full_from_1000000"]


@given(st.dictionaries(st.integers(1, 10**9), st.just("process:")), st.integers(0, 10**9))
def test_the_order_of_the_rows_does_not_matter(rows: dict[int, str], num_new_events: int) -> None:
    names = [f"update_from_{number}" for number in rows]
    table = {name: f"torchrun:?nproc={number}" for name, number in zip(names, rows, strict=True)}
    backwards = dict(reversed(table.items()))
    found = {
        launcher_of(one, is_full=False, num_new_events=num_new_events, otherwise="process:")
        for one in (table, backwards)
    }
    fitting = [number for number in rows if number <= num_new_events]
    assert found == {f"torchrun:?nproc={max(fitting)}" if fitting else "process:"}


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("fully", "process:"),
        ("update_from_", "process:"),
        ("update_from_0", "process:"),
        ("full", "torchrun:?nproc=0"),
        ("full", "kubernetes:"),
        ("full", 4),
    ],
)
def test_a_wrong_row_is_named(name: str, url: object) -> None:
    with pytest.raises(BadRequest, match=f"worker.launchers.{name}"):
        parse_launchers({name: url})


@pytest.mark.parametrize("table", [{"aws": 1.0}, {"ray": -1}, {"ray": "2"}, {"ray": float("inf")}])
def test_a_wrong_price_is_named(table: dict[str, object]) -> None:
    with pytest.raises(BadRequest, match=r"worker.price_per_device_hour\."):
        parse_prices(table)


def test_a_launcher_without_a_price_costs_nothing() -> None:
    prices = parse_prices({"ray": 2})
    assert price_of(prices, "ray://head:10001?workers=4") == 2.0
    assert price_of(prices, "process:") == 0.0
