"""What lists led to is counted once, whatever is sent or collected again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cron.forgetting.request import forget
from cron.journal.dead_letters import DeadLetters
from cron.journal.follow import rebuild
from cron.journal.journal import Journal
from cron.ledger import event_rows
from cron.list_ids import draw_list_id
from cron.metrics import overview
from recommender.records.event_details import EventDetails
from recommender.records.events import Event
from tests.component.house import House
from tests.releases import publish_releases


def of_list(list_id: str, type_: str, number: int, *, user_id: str = "ann") -> Event:
    """Return an event that names a list."""
    return Event(
        event_id=f"{type_}{number}",
        user_id=user_id,
        item_id=str(number),
        type=type_,
        rating=None,
        at=datetime(2026, 3, 1, tzinfo=UTC),
        details=EventDetails(recommendation_id=list_id),
    )


def counts_in(house: House) -> dict[int, dict[str, int]]:
    return event_rows.of_releases(house.ledger, [1, 2])


def test_an_event_counts_once_for_the_release_of_its_list(house: House, tmp_path: Path) -> None:
    publish_releases(house.ledger, house.lease, 1, 2)
    list_id = draw_list_id(2)
    shown = [of_list(list_id, "impression", number) for number in range(4)]
    clicked = [of_list(list_id, "click", 0)]
    house.log.append([*shown, *clicked])
    house.collect()
    house.log.append([*clicked, of_list(list_id, "purchase", 0)])  # a sender's second attempt
    house.collect()
    # as after a crash between the ledger's transaction and the index
    restarted = Journal(house.ledger, house.artifacts, tmp_path / "again")
    restarted.accept([*shown, *clicked], house.journal.log_cursor, house.lease)
    restarted.close()
    rebuild(house.journal, house.log, house.histories)
    assert counts_in(house) == {2: {"click": 1, "impression": 4, "purchase": 1}}
    seen = overview.look_at_ledger(house.ledger, now=datetime.now(UTC))
    live = overview.release_json(seen.releases[0], seen)
    assert live["lists"] == {
        "events": {"click": 1, "impression": 4, "purchase": 1},
        "click_through_rate": 0.25,
        "conversion_rate": 1.0,
    }
    older = overview.release_json(seen.releases[1], seen)
    assert older["lists"] == {"events": {}, "click_through_rate": None, "conversion_rate": None}


def test_what_a_forgotten_user_sends_late_is_not_counted(house: House, tmp_path: Path) -> None:
    publish_releases(house.ledger, house.lease, 1)
    letters = DeadLetters(tmp_path / "letters.jsonl")
    forget(house.ledger, house.histories, letters, "ann", asked_by="ann")
    list_id = draw_list_id(1)
    house.log.append(
        [of_list(list_id, "click", 0), of_list(list_id, "click", 1, user_id="another")]
    )
    house.collect()
    assert counts_in(house) == {1: {"click": 1}}
