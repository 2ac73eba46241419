"""What is counted of a batch of events, and for which release."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from cron.journal import segments
from cron.journal.tally import LIST_WINDOW, tally
from cron.ledger.event_rows import EventTally, hour_of
from cron.list_ids import draw_list_id
from recommender.records.event_details import EventDetails
from recommender.records.events import Event, Item, Record


def event(number: int, type_: str = "view", *, of_list: str | None = None) -> Event:
    """Return an event that names a list, or none."""
    return Event(
        event_id=f"e{number}",
        user_id="ann",
        item_id="50",
        type=type_,
        rating=None,
        at=datetime(2026, 3, 1, tzinfo=UTC),
        details=EventDetails(recommendation_id=of_list) if of_list else None,
    )


def tally_of(*records: Record, after: timedelta = timedelta()) -> EventTally:
    """Count records that are collected some time from now."""
    return tally(segments.table_of(records, first_seq=1), now=datetime.now(UTC) + after)


def test_events_are_counted_by_type_and_hour_of_collection() -> None:
    item = Item(event_id="i", item_id="50", title="Heat", at=datetime(2026, 3, 1, tzinfo=UTC))
    before = hour_of(datetime.now(UTC))
    counted = tally_of(event(1), event(2), event(3, "wave"), event(4, "blink"), item)
    assert before <= counted.hour <= hour_of(datetime.now(UTC))
    assert (dict(counted.num_events), dict(counted.num_named)) == ({"view": 2, "other": 2}, {})
    assert dict(counted.of_releases) == {}


def test_events_count_for_the_release_of_their_list() -> None:
    one, two, fallback = draw_list_id(7), draw_list_id(8), draw_list_id(None)
    counted = tally_of(
        *(event(number, "impression", of_list=one) for number in range(5)),
        event(5, "click", of_list=one),
        event(6, "click", of_list=two),
        event(7, "click", of_list=draw_list_id(7)),
        event(8, "click", of_list=fallback),
        event(9, "click", of_list="of another system"),
        event(10, "click", of_list=str(uuid.uuid4())),
        event(11, "click"),
    )
    assert dict(counted.of_releases) == {(7, "impression"): 5, (7, "click"): 2, (8, "click"): 1}
    assert dict(counted.num_named) == {"impression": 5, "click": 6}


def test_old_lists_and_lists_of_the_future_count_for_nobody() -> None:
    click = event(1, "click", of_list=draw_list_id(7))
    assert tally_of(click, after=LIST_WINDOW - timedelta(minutes=1)).of_releases
    assert not tally_of(click, after=LIST_WINDOW + timedelta(minutes=1)).of_releases
    assert not tally_of(click, after=-timedelta(hours=1)).of_releases


def test_an_empty_batch_counts_nothing() -> None:
    assert not tally_of().num_events
