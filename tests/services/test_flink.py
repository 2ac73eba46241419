"""The join of impressions and clicks in real Flink and Kafka: no row lost or repeated.

Event times are the tests' own, a day for each test, so one running job serves all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cron.ports import START
from cron.wiring import open_log
from deploy.servers.kafka import create_topics
from deploy.stack.join import join_program, submit
from tests.servers import ServerProcess, Servers, unique
from tests.services.clickstream import Clickstream, click, impression
from tests.services.traffic import (
    SKEW_S,
    WINDOW_S,
    clicked_ids,
    iso,
    joined_events,
    random_traffic,
    send_traffic,
)

FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
DAY_S = 86_400.0
HOUR_S = 3600.0
UNICODE = "Zoë 🛒 'quoted' \"twice\" \\ ${bootstrap}"


# What a sender may say, and what the event says.
TIMES: dict[object, str] = {
    1704067201: "2024-01-01T00:00:01.000+00:00",
    1704067201.25: "2024-01-01T00:00:01.250+00:00",
    "1704067201.5": "2024-01-01T00:00:01.500+00:00",
    "2024-01-01T00:00:02Z": "2024-01-01T00:00:02.000+00:00",
    "2024-01-01T02:00:02.123456+02:00": "2024-01-01T00:00:02.123+00:00",
    "2023-12-31T19:00:02-05:00": "2024-01-01T00:00:02.000+00:00",
    "2024-01-01 00:00:02.5": "2024-01-01T00:00:02.500+00:00",
    "2024-01-01": "2024-01-01T00:00:00.000+00:00",
}

NO_OBJECT = "expected a JSON object"
WRONG_TIME = "at: expected epoch seconds or ISO 8601, from 1990 on"
BROKEN: tuple[tuple[Mapping[str, object] | bytes | None, str], ...] = (
    (b'{"impression_id": "cut o', NO_OBJECT),
    (b"\xff\xfe\x00", NO_OBJECT),
    (b"", NO_OBJECT),
    (None, NO_OBJECT),
    (b"[" * 50_000, NO_OBJECT),
    (b'"' * 700_000, NO_OBJECT),  # escaped, it is too large for Kafka
    (b"[]", NO_OBJECT),
    (
        impression("no user", FIRST_DAY, user_id=" "),
        "user_id: expected a text of 1 to 512 characters",
    ),
    (
        {**impression("no item", FIRST_DAY), "item_id": ["i1"]},
        "item_id: expected a text of 1 to 512 characters",
    ),
    (impression("x" * 481, FIRST_DAY), "impression_id: expected a text of 1 to 480 characters"),
    (
        impression("no list", FIRST_DAY, recommendation_id="x" * 513),
        "recommendation_id: expected a text of 1 to 512 characters, or none",
    ),
    (impression("milliseconds", FIRST_DAY * 1000), WRONG_TIME),
    (impression("no day", "2024-13-01"), WRONG_TIME),
    (impression("no time", None), WRONG_TIME),
    (impression("huge", 10**30), WRONG_TIME),
    (impression("long ago", "1970-01-01T00:00:10Z"), WRONG_TIME),
    (
        impression("tomorrow", time.time() + DAY_S),
        "at: after Kafka got the message; is the sender's clock right?",
    ),
)


@pytest.fixture(scope="module")
def stream(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clickstream]:
    """Topics of this module's own and the job over them, running."""
    stream = Clickstream(servers, tmp_path_factory.mktemp("join") / "it's the checkpoints")
    _ = servers.flink_taskmanager
    job = submit(servers.flink, stream.join)
    assert submit(servers.flink, stream.join) == job, (
        "a second submission must find the first one's job"
    )
    yield stream
    stream.cancel(submit(servers.flink, stream.join))


@pytest.fixture(scope="module")
def rejected_messages(stream: Clickstream) -> Clickstream:
    """The stream after one day of every case that needs no waiting in between."""
    at = FIRST_DAY
    shown = [
        impression("clicked", at),
        impression("unclicked", at + 1, user_id="u2"),
        impression("clicked twice", at),
        *[impression("shown twice", at + late, user_id="u2") for late in (0, 5)],
        *[impression("shown twice and clicked", at + late) for late in (0, 5)],
        impression("skewed", at + 30),
        impression("of a list", at, recommendation_id="shown"),
        impression("of a list and clicked", at, recommendation_id="shown"),
        impression("of a list that the click knows", at, recommendation_id="shown"),
        impression("clicked long before", at + 300),
        impression("clicked long after", at),
        impression("clicked by another", at),
        impression("clicked elsewhere", at),
        impression(UNICODE, at, user_id=UNICODE, item_id=UNICODE),
        {**impression("whole numbers", at), "user_id": 17, "item_id": 42},
        *[impression(f"time {number}", form) for number, form in enumerate(TIMES)],
    ]
    clicks = [
        click("clicked", at + 20),
        *[click("clicked twice", at + 20), click("clicked twice", at + 25)],
        click("shown twice and clicked", at + 20),
        click("skewed", at),
        click("of a list and clicked", at + 20),
        click("of a list that the click knows", at + 20, recommendation_id="clicked"),
        click(None, at, click_id="of a list alone", recommendation_id="clicked"),
        click("clicked long before", at + 300 - SKEW_S - 1),
        click("clicked long after", at + WINDOW_S + 1),
        click("clicked by another", at + 5, user_id="u2"),
        click("clicked elsewhere", at + 5, item_id="i2"),
        click("never shown", at + 7, user_id="u9", item_id="i9"),
        *[click(None, at + 8, click_id="of a visit") for _ in range(2)],
        click(UNICODE, at + 1, user_id=UNICODE, item_id=UNICODE),
    ]
    stream.send(stream.join.impressions, [*shown, *(broken for broken, _ in BROKEN)])
    stream.send(stream.join.clicks, [*clicks, click(None, at)])
    stream.push_time(at + HOUR_S)
    stream.wait_for(["impression:unclicked", "click:clicked", "click:never shown"])
    stream.settle(at + HOUR_S)
    stream.wait_for_rejected(len(BROKEN) + 1)
    return stream


def test_impressions_become_clicks_or_impressions(
    rejected_messages: Clickstream,
) -> None:
    clicked = {"user_id": "u1", "item_id": "i1", "type": "click", "at": iso(FIRST_DAY + 20)}
    assert rejected_messages.event("click:clicked") == clicked
    assert rejected_messages.event("impression:clicked") is None
    assert rejected_messages.event("impression:unclicked") == {
        "user_id": "u2",
        "item_id": "i1",
        "type": "impression",
        "at": iso(FIRST_DAY + 1),
    }
    assert rejected_messages.event("click:unclicked") is None
    assert {row.key == row.value["user_id"] for row in rejected_messages.events} == {True}, (
        "the key is the user, so that a user's events share a partition"
    )


def test_doubled_messages_are_one_event(rejected_messages: Clickstream) -> None:
    assert rejected_messages.event("click:clicked twice") is not None
    assert rejected_messages.event("impression:shown twice") is not None
    assert rejected_messages.event("click:shown twice and clicked") is not None
    assert rejected_messages.event("impression:shown twice and clicked") is None
    assert rejected_messages.event("click:direct:of a visit") is not None
    assert rejected_messages.doubles() == []


def test_a_click_a_little_before_its_impression_is_its_click(
    rejected_messages: Clickstream,
) -> None:
    assert rejected_messages.event("click:skewed") is not None
    assert rejected_messages.event("impression:skewed") is None


@pytest.mark.parametrize(
    "case", ["clicked long before", "clicked long after", "clicked by another", "clicked elsewhere"]
)
def test_a_click_that_is_not_of_the_impression_is_kept_beside_it(
    rejected_messages: Clickstream, case: str
) -> None:
    assert rejected_messages.event(f"impression:{case}") is not None
    kept = rejected_messages.event(f"click:{case}")
    assert kept is not None
    who = {"clicked by another": ("u2", "i1"), "clicked elsewhere": ("u1", "i2")}.get(
        case, ("u1", "i1")
    )
    assert (kept["user_id"], kept["item_id"]) == who


def test_events_name_the_list_that_showed_the_item(rejected_messages: Clickstream) -> None:
    lists = {
        "impression:of a list": "shown",
        "click:of a list and clicked": "shown",
        "click:of a list that the click knows": "clicked",
        "click:direct:of a list alone": "clicked",
    }
    found = {event_id: rejected_messages.event(event_id) or {} for event_id in lists}
    assert {event_id: one["recommendation_id"] for event_id, one in found.items()} == lists


def test_a_click_without_an_impression_is_kept(rejected_messages: Clickstream) -> None:
    assert rejected_messages.event("click:never shown") == {
        "user_id": "u9",
        "item_id": "i9",
        "type": "click",
        "at": iso(FIRST_DAY + 7),
    }


def test_ids_pass_unchanged(rejected_messages: Clickstream) -> None:
    kept = rejected_messages.event(f"click:{UNICODE}")
    assert kept is not None
    assert (kept["user_id"], kept["item_id"]) == (UNICODE, UNICODE)
    numbers = rejected_messages.event("impression:whole numbers")
    assert numbers is not None
    assert (numbers["user_id"], numbers["item_id"]) == ("17", "42")


@pytest.mark.parametrize(
    ("number", "expected"), list(enumerate(TIMES.values())), ids=[str(form) for form in TIMES]
)
def test_times_are_read_as_the_gateway_reads_them(
    rejected_messages: Clickstream, number: int, expected: str
) -> None:
    kept = rejected_messages.event(f"impression:time {number}")
    assert kept is not None
    assert kept["at"] == expected


def test_an_invalid_impression_is_kept_with_its_reason(rejected_messages: Clickstream) -> None:
    found = [
        row.value
        for row in rejected_messages.rejected
        if row.value["topic"] == rejected_messages.join.impressions
    ]
    assert sorted(str(row["reason"]) for row in found) == sorted(reason for _, reason in BROKEN)
    assert len({(row["partition"], row["offset"]) for row in found}) == len(BROKEN)
    assert '{"impression_id": "cut o' in [row["line"] for row in found]
    assert max(len(str(row["line"])) for row in found) == 10_000


def test_a_click_that_names_nothing_is_kept_as_rejected(rejected_messages: Clickstream) -> None:
    (found,) = [
        row.value
        for row in rejected_messages.rejected
        if row.value["topic"] == rejected_messages.join.clicks
    ]
    assert (
        found["reason"]
        == "impression_id: expected a text of 1 to 480 characters, or instead of it a click_id"
    )


def test_freshets_event_log_reads_the_rows_as_events(rejected_messages: Clickstream) -> None:
    items = unique("items")
    create_topics(rejected_messages.join.bootstrap, {items: 1})
    log = open_log(
        f"kafka://{rejected_messages.join.bootstrap}/{rejected_messages.join.events}?items={items}"
    )
    read, batch = set(), log.read(START, 10_000)
    while batch.records or batch.rejected:
        assert batch.rejected == ()
        read |= {record.event_id for record in batch.records}
        batch = log.read(batch.cursor, 10_000)
    assert read >= rejected_messages.ids()


def test_the_checkpoint_before_the_last_is_kept(rejected_messages: Clickstream) -> None:
    """For the day when the last one's transaction was undone: see checkpoint_to_restore."""
    rejected_messages.wait_for_checkpoints(2)


def test_a_click_after_its_impression_was_given_up_is_kept(stream: Clickstream) -> None:
    at = FIRST_DAY + DAY_S
    stream.send(stream.join.impressions, [impression("given up", at)])
    stream.push_time(at + HOUR_S)
    stream.wait_for(["impression:given up"])
    stream.send(stream.join.clicks, [click("given up", at + 60), click("given up", at + 61)])
    stream.wait_for(["click:given up"])
    stream.settle(at + HOUR_S)
    assert stream.doubles() == []


def test_quiet_partitions_hold_nothing_up(stream: Clickstream) -> None:
    at = FIRST_DAY + 2 * DAY_S
    stream.send(stream.join.impressions, [impression("beside silence", at)])
    stream.push_time(at + HOUR_S, topics=(stream.join.impressions,), partitions=[0])
    stream.wait_for(["impression:beside silence"])


def test_a_clock_that_is_ahead_ends_nobodys_window(stream: Clickstream) -> None:
    """The wrong message comes first, in every partition; the right ones after it still meet."""
    at = FIRST_DAY + 3 * DAY_S
    stream.push_time(at)
    stream.push_time(time.time() + 365 * DAY_S)
    stream.send(stream.join.impressions, [impression("in time", at)])
    stream.settle(at)
    stream.send(stream.join.clicks, [click("in time", at + 60)])
    stream.wait_for(["click:in time"])
    stream.push_time(at + HOUR_S)
    stream.settle(at + HOUR_S)
    assert stream.event("impression:in time") is None


def test_a_killed_task_manager_loses_and_doubles_nothing(
    servers: Servers, stream: Clickstream
) -> None:
    day = FIRST_DAY + 4 * DAY_S
    before, during, after = (random_traffic(day + part * 1000, seed=part) for part in range(3))
    expected = {**joined_events(*before), **joined_events(*during), **joined_events(*after)}
    assert {event["type"] for event in expected.values()} == {"click", "impression"}
    send_traffic(stream, before)
    stream.wait_for(
        clicked_ids(before)
    )  # so a checkpoint holds impressions that still wait for their click
    send_traffic(stream, during)
    servers.flink_taskmanager.kill()
    send_traffic(stream, after)
    servers.flink_taskmanager.start()
    stream.push_time(day + DAY_S / 2)
    stream.wait_for(expected)
    stream.settle(day + DAY_S / 2)
    assert {event_id: stream.event(event_id) for event_id in expected} == expected
    assert {event_id for event_id in stream.ids() if "traffic" in event_id} == set(expected)
    assert stream.doubles() == []


def test_a_killed_job_manager_loses_and_doubles_nothing(
    servers: Servers, stream: Clickstream, tmp_path: Path
) -> None:
    """It has forgotten the job, which the keeper then submits from its newest checkpoint."""
    day = FIRST_DAY + 5 * DAY_S
    before, after = (random_traffic(day + part * 1000, seed=10 + part) for part in range(2))
    expected = {**joined_events(*before), **joined_events(*after)}
    old = submit(servers.flink, stream.join)
    send_traffic(stream, before)
    stream.wait_for(clicked_ids(before))
    jobmanager = servers.flink_jobmanager
    jobmanager.kill()
    send_traffic(stream, after)
    jobmanager.start()
    keeper = ServerProcess(
        join_program(servers.flink, stream.join),
        port=servers.flink.rest_port,
        folder=tmp_path / "keeper",
    )
    try:
        keeper.start()
        assert submit(servers.flink, stream.join) != old
        stream.push_time(day + DAY_S / 2)
        stream.wait_for(expected)
        stream.settle(day + DAY_S / 2)
    finally:
        keeper.stop()
    assert {event_id: stream.event(event_id) for event_id in expected} == expected
    assert stream.doubles() == []
