"""Stored entries: read back as the records that were written, or rejected with a reason."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cron.ports import Rejected
from cron.stored_records import read_stored
from recommender.records.events import Event, to_json
from recommender.records.ids import MAX_ID_CHARS
from recommender.records.record_times import EARLIEST
from tests.contracts.records import event

plain_ids = st.from_regex(re.compile(r"[a-z:._-]{0,5}\d[\w:.-]{0,20}", re.ASCII), fullmatch=True)
times = st.datetimes(EARLIEST.replace(tzinfo=None), timezones=st.just(UTC))
ratings = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9)


@settings(deadline=None)  # other suites may share the cores
@given(event_id=plain_ids, user_id=plain_ids, at=times, rating=ratings)
def test_an_event_is_the_same_however_it_is_spaced(
    event_id: str, user_id: str, at: datetime, rating: float | None
) -> None:
    """Only what `to_json` writes is matched as a whole; anything else is parsed as JSON."""
    record = Event(
        event_id=event_id, user_id=user_id, item_id="i-1", type="view", at=at, rating=rating
    )
    line = to_json(record)
    spaced = json.dumps(json.loads(line))
    assert spaced != line
    assert read_stored(line.encode(), source="1") == record
    assert read_stored(spaced.encode(), source="1") == record


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("user_id", "null"),
        ("item_id", "x1" * MAX_ID_CHARS),
        ("event_id", ""),
        ("type", ""),
        ("at", "2026-11-25T11:00:00"),
        ("at", "2026-13-25T11:00:00+00:00"),
        ("rating", "1"),
    ],
)
def test_a_bad_entry_is_rejected_by_its_field(field: str, bad: str) -> None:
    stored = json.loads(to_json(event(1, user_id="u1", item_id="i1"))) | {field: bad}
    body = json.dumps(stored, separators=(",", ":")).encode()
    rejected = read_stored(body, source="1")
    assert isinstance(rejected, Rejected)
    assert rejected.reason.startswith(f"{field}: found")
