"""Limits on calls and events, with a clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from gateway.callers.call_limits import CallLimits, TooManyCalls
from gateway.callers.flood_limits import FloodLimit, FloodLimits
from gateway.callers.keyring import LOCAL, Caller
from recommender.records.events import Event
from recommender.records.record_fields import InvalidRecord

PROGRAM = Caller(name="back end", roles=frozenset({"read"}))
BROWSER = Caller(name="web", roles=frozenset({"browser"}))
AT = datetime(2026, 1, 1, tzinfo=UTC)


def standing_clock() -> float:
    return 1000.0


def limits(key: float | None = None, address: float | None = None) -> CallLimits:
    return CallLimits(
        key_calls_s=key,
        address_calls_s=address,
        on_refusal=lambda _limit: None,
        clock=standing_clock,
    )


def num_admitted(admit: Callable[[], None], *, most: int = 100) -> int:
    """Return how many calls in a row are admitted."""
    for number in range(most):
        try:
            admit()
        except TooManyCalls:
            return number
    return most


def test_a_program_is_limited_by_its_key_whatever_its_address() -> None:
    counted = limits(key=2, address=1)
    assert num_admitted(lambda: counted.admit(PROGRAM, "192.0.2.1")) == 10
    with pytest.raises(TooManyCalls, match="'back end' sends more than 2 calls") as error:
        counted.admit(PROGRAM, "192.0.2.2")
    assert (error.value.limit, error.value.retry_after_s) == ("key", 1)
    counted.admit(Caller(name="another", roles=frozenset({"read"})), "192.0.2.1")


@pytest.mark.parametrize("caller", [BROWSER, None], ids=["browser key", "no key"])
def test_visitors_are_limited_by_their_address(caller: Caller | None) -> None:
    counted = limits(address=1)
    assert num_admitted(lambda: counted.admit(caller, "192.0.2.1")) == 5
    assert num_admitted(lambda: counted.admit(caller, "192.0.2.2")) == 5
    counted.admit(PROGRAM, "192.0.2.1")


def test_all_visitors_together_are_limited_by_the_key() -> None:
    counted = limits(key=1, address=100)
    hosts = iter(f"192.0.2.{number}" for number in range(1, 100))
    assert num_admitted(lambda: counted.admit(BROWSER, next(hosts))) == 5


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),  # a customer's network
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_what_is_one_address(one: str, other: str, same: bool) -> None:
    counted = limits(address=1)
    num_admitted(lambda: counted.admit(None, one))
    assert (num_admitted(lambda: counted.admit(None, other)) == 0) is same


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1", None])
def test_this_machine_is_not_one_address(host: str | None) -> None:
    """A proxy here whose header is not trusted would make all shoppers one."""
    counted = limits(address=1)
    assert num_admitted(lambda: counted.admit(BROWSER, host)) == 100


def test_without_keys_nothing_is_limited() -> None:
    counted = limits(key=1, address=1)
    assert num_admitted(lambda: counted.admit(LOCAL, "127.0.0.1")) == 100


def test_a_limit_of_none_is_none() -> None:
    counted = limits()
    assert num_admitted(lambda: counted.admit(BROWSER, "192.0.2.1")) == 100


def event(user: str, item: str) -> Event:
    return Event(event_id=f"{user}-{item}", user_id=user, item_id=item, type="view", at=AT)


def test_a_flood_of_one_user_or_about_one_item_is_cut() -> None:
    refused: list[FloodLimit] = []
    floods = FloodLimits(
        user_events_min=3, item_events_min=5, on_refusal=refused.append, clock=standing_clock
    )
    for number in range(3):
        floods.check(event("ann", str(number)))
    with pytest.raises(InvalidRecord, match="user_id: found one user in more than 3 events"):
        floods.check(event("ann", "9"))
    for number in range(5):
        floods.check(event(f"user {number}", "7"))
    with pytest.raises(InvalidRecord, match="item_id: found one item in more than 5 events"):
        floods.check(event("bob", "7"))
    assert refused == ["user", "item"]
