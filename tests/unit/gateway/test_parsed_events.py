"""Events of a call as columns: the same lines and rows as one by one, or left to the parser."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bodies.records import AssignedId, RecordsAnswer, stored_events_json
from gateway.content.parsed_events import ParsedEvents, batch_of, parse_batch
from gateway.content.record_bodies import plain_values
from gateway.http.problems import json_response
from recommender.records.events import parse_event
from recommender.records.record_fields import InvalidRecord
from recommender.records.record_times import EARLIEST, MAX_CLOCK_SKEW

NOW = datetime(2026, 11, 25, 12, 30, 0, 250_000, tzinfo=UTC)
VIEW = {"user_id": "u1", "item_id": "5", "type": "view"}
# JSON as it is sent: numbers that Python would write in another way, texts with escapes, and more
RAW = st.one_of(
    st.sampled_from(
        ["-0", "-0.0", "1E+2", "17", "1.0", "2e-7", "0.1", "1e999", "NaN", "true", "01"]
    ),
    st.sampled_from(['"\\u0061"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\u0000"', '"a\\/b"', '"\t"']),
    st.sampled_from([str(2**63), str(10**600), "9007199254740993", "null", "[]", "{}", "'1'"]),
    st.sampled_from(['"17"', '" "', '"null"', '"é"', '"x y"']),
)
NUMBERS = (st.integers() | st.floats() | st.integers(-(10**7), 10**7)).map(json.dumps)
IDS = st.one_of(st.text(max_size=5).map(json.dumps), RAW, st.integers(0, 99).map('"u{}"'.format))


def shown_times(at: datetime) -> list[str | float]:
    """Return a time as senders write it; the last ones are in UTC."""
    utc = at.astimezone(UTC) if at.year > 1 else at
    short = f"{utc:%Y-%m-%dT%H:%M:%S}"
    odd = [f"{short}.{digits}Z" for digits in ("0", "123", "000000", "1234567", "٣")]
    return [at.isoformat(), at.timestamp(), str(at.timestamp()), f"{short}Z", short, *odd]


LIMITS = [EARLIEST, NOW, NOW + MAX_CLOCK_SKEW]
TIMES = st.one_of(
    st.sampled_from([limit + timedelta(microseconds=step) for limit in LIMITS for step in (0, 1)]),
    st.datetimes(timezones=st.timezones()),
    st.datetimes(EARLIEST.replace(tzinfo=None), NOW.replace(tzinfo=None), timezones=st.just(UTC)),
).flatmap(lambda at: st.sampled_from(shown_times(at)))
TYPES = st.sampled_from(
    ["view", "rating", "impression", "search", "add to cart", "é", "", "x" * 65]
)
VALUES: dict[str, st.SearchStrategy[str]] = {
    "user_id": IDS,
    "item_id": IDS,
    "type": TYPES.map(json.dumps) | RAW,
    "event_id": IDS | st.uuids().map('"{}"'.format),
    "rating": NUMBERS | RAW,
    "at": TIMES.map(json.dumps) | RAW,
    "value": NUMBERS | RAW,
    "currency": st.sampled_from(['"EUR"', '"eur"', '"EURO"']) | RAW,
    "quantity": NUMBERS | RAW,
    "dwell_s": NUMBERS | RAW,
    "query": RAW,
    "recommendation_id": IDS,
    "ratng": RAW,
}
USUAL = {name: json.dumps(value) for name, value in VIEW.items()}
# at most three fields are odd, so that many events are valid
EVENTS = st.lists(st.sampled_from(sorted(VALUES)), max_size=3).flatmap(
    lambda names: st.fixed_dictionaries({name: VALUES[name] for name in names})
)


def id_counter() -> Callable[[int], Sequence[str]]:
    """Return what gives out the ids n1, n2, and so on."""
    num_given = 0

    def give(num: int) -> Sequence[str]:
        nonlocal num_given
        first, num_given = num_given + 1, num_given + num
        return [f"n{number}" for number in range(first, num_given + 1)]

    return give


def one_by_one(body: bytes) -> ParsedEvents | None:
    """Parse a body by `parse_event`; None where an event is refused."""
    give, values = id_counter(), plain_values(body) or ()
    try:
        events = [parse_event(one, now=NOW, new_id=lambda: give(1)[0]) for one in values]
    except (InvalidRecord, RecursionError):
        return None
    lacking = [
        place
        for place, one in enumerate(values)
        if isinstance(one, dict) and one.get("event_id") is None
    ]
    return batch_of(events, assigned=lacking) if events else None


def object_text(fields: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"


@given(events=st.lists(EVENTS, min_size=1, max_size=4), is_list=st.booleans())
def test_a_batch_is_what_its_events_are(events: list[dict[str, str]], is_list: bool) -> None:
    texts = [object_text({**USUAL, **event}) for event in events]
    body = (f"[{','.join(texts)}]" if is_list else texts[0]).encode()
    found = parse_batch(body, now=NOW, new_ids=id_counter())
    if found is not None:
        assert found == one_by_one(body)


@given(body=st.binary(max_size=40), at=st.integers(0, 60), cut=st.integers(0, 3))
def test_other_bytes_are_left_to_the_parser(body: bytes, at: int, cut: int) -> None:
    whole = json.dumps([VIEW]).encode()
    damaged = whole[:at] + body[:cut] + whole[at + cut :]
    for one in (body, damaged):
        found = parse_batch(one, now=NOW, new_ids=id_counter())
        if found is not None:
            assert found == one_by_one(one)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"user_id": "ann", "item_id": "Ä ö"},
        {"user_id": 17, "event_id": 4, "type": "add to cart"},
        {"type": "rating", "rating": 4, "at": "2026-01-31T12:00:00Z"},
        {"at": 1_767_225_600, "recommendation_id": "r1", "value": 9.5, "currency": "EUR"},
    ],
)
def test_usual_events_are_parsed_at_once(fields: dict[str, object]) -> None:
    body = json.dumps([{**VIEW, **fields}, {**VIEW, "event_id": "e1"}]).encode()
    found = parse_batch(body, now=NOW, new_ids=id_counter())
    assert found is not None
    assert found == one_by_one(body)


@given(
    counts=st.tuples(st.integers(0, 200), st.integers(0, 200)),
    assigned=st.lists(st.integers(0, 9), unique=True).map(sorted),
)
def test_the_answer_is_that_of_the_codec(counts: tuple[int, int], assigned: list[int]) -> None:
    event_ids = [f"01a21201-e281-7a76-aed1-{place:012}" for place in range(10)]
    listed = tuple(AssignedId(index=place, event_id=event_ids[place]) for place in assigned)
    answer = RecordsAnswer(
        accepted=counts[0], duplicates=counts[1], rejected=(), event_ids=listed or None
    )
    assert stored_events_json(*counts, assigned, event_ids) == json_response(answer).body
