"""Token buckets with a clock that a test moves."""

from __future__ import annotations

import pytest

from gateway.callers.token_buckets import TokenBuckets


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_bucket_admits_a_burst_and_then_its_rate() -> None:
    clock = Clock()
    buckets = TokenBuckets(rate_s=2, burst=3, max_buckets=10, clock=clock)
    assert [buckets.take("ann") for _ in range(4)] == [0, 0, 0, 0.5]
    clock.now_s += 0.25
    assert buckets.take("ann") == pytest.approx(0.25)
    clock.now_s += 0.25
    assert [buckets.take("ann") for _ in range(2)] == [0, 0.5]


def test_a_refused_call_takes_nothing() -> None:
    clock = Clock()
    buckets = TokenBuckets(rate_s=1, burst=1, max_buckets=10, clock=clock)
    assert [buckets.take("ann") for _ in range(5)] == [0, 1, 1, 1, 1]
    clock.now_s += 1
    assert buckets.take("ann") == 0


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    clock = Clock()
    buckets = TokenBuckets(rate_s=1, burst=2, max_buckets=10, clock=clock)
    buckets.take("ann")
    clock.now_s += 3600
    assert [buckets.take("ann") == 0 for _ in range(3)] == [True, True, False]


def test_each_name_has_its_own() -> None:
    buckets = TokenBuckets(rate_s=1, burst=1, max_buckets=10, clock=Clock())
    assert [buckets.take(name) for name in ("ann", "bob", "ann")] == [0, 0, 1]


def test_the_least_recently_used_is_dropped() -> None:
    buckets = TokenBuckets(rate_s=1, burst=1, max_buckets=2, clock=Clock())
    for name in ("ann", "bob", "ann", "eve"):  # the last one drops bob
        buckets.take(name)
    assert len(buckets) == 2
    assert [buckets.take("ann"), buckets.take("bob")] == [1, 0]


def test_a_rate_under_one_admits_one_now_and_then() -> None:
    clock = Clock()
    buckets = TokenBuckets(rate_s=0.1, burst=0.5, max_buckets=2, clock=clock)
    assert [buckets.take("ann"), buckets.take("ann")] == [0, 10]
