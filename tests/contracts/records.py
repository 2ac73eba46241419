"""Records for the contract suites, and a second process that works at the same time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cron.project_root import PROJECT_ROOT
from recommender.records.event_details import EventDetails
from recommender.records.events import AttributeValue, Event, EventLines, Item, to_json
from recommender.records.facts import Fact
from recommender.records.slates import Slate

LIMIT_S = 240.0  # of a process that takes some seconds on an idle machine
START_AT = datetime(2026, 1, 1, tzinfo=UTC)
DETAILS = EventDetails(
    value=59.8,
    currency="EUR",
    quantity=2.0,
    dwell_s=0.0,
    query="rivière 🎬",
    recommendation_id="a/b%20.ü",
)


def event(
    number: int,
    *,
    user_id: str = "u",
    item_id: str = "i",
    type_: str = "view",
    at: datetime | None = None,
) -> Event:
    """Return the event with a number, which determines its id and, by default, its time."""
    return Event(
        event_id=f"e{number:06}",
        user_id=user_id,
        item_id=item_id,
        type=type_,
        at=at or START_AT + timedelta(seconds=number),
    )


def event_lines(numbers: Sequence[int]) -> EventLines:
    """Return the serialised events with these numbers."""
    events = [event(number) for number in numbers]
    return EventLines(
        event_ids=[one.event_id for one in events],
        user_ids=[one.user_id for one in events],
        lines=[to_json(one) for one in events],
    )


def item(
    number: int,
    item_id: str,
    *,
    hidden: bool = False,
    attributes: dict[str, AttributeValue] | None = None,
) -> Item:
    """Return the item record with a number."""
    at = START_AT + timedelta(seconds=number)
    return Item(
        event_id=f"i{number:06}",
        item_id=item_id,
        title=f"Item {item_id}",
        at=at,
        hidden=hidden,
        attributes=attributes or {},
    )


def fact(
    number: int,
    head: str,
    tail: str = "ann",
    *,
    relation: str = "director",
    withdrawn: bool = False,
) -> Fact:
    """Return the record of a fact with a number."""
    return Fact(
        event_id=f"f{number:06}",
        head=head,
        relation=relation,
        tail=tail,
        at=START_AT + timedelta(seconds=number),
        withdrawn=withdrawn,
    )


def slate(number: int, *, user_id: str | None = "u", at: datetime | None = None) -> Slate:
    """Return the slate with a number: two items after a pin."""
    return Slate(
        event_id=f"s{number:06}",
        user_id=user_id,
        placement="home",
        items=("pinned", f"i{number}", "日本"),
        propensities=(None, 0.25, 1.0),
        policy="greedy",
        version=number,
        fallback=False,
        arm=None,
        at=at or START_AT + timedelta(seconds=number),
        scores=(None, 2.5, -number / 8),
    )


def start_process(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start Python with our packages on `code`; the arguments become its sys.argv[1:]."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(
        command, cwd=PROJECT_ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def wait_for_end(process: subprocess.Popen[str]) -> str:
    """Wait for a process and return its output."""
    output, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, errors
    return output.strip()
