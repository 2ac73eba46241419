"""Records that somebody else removed from a Redis log: all others are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest
import redis

from cron.errors import LogGap
from cron.ports import START
from cron.wiring import open_log
from recommender.records.events import Record
from tests.contracts.records import event
from tests.servers import Servers, unique


@pytest.fixture
def raw(servers: Servers) -> Iterator[redis.Redis]:
    """The server as an operator's own tools see it."""
    client = redis.Redis(port=servers.redis.port)
    yield client
    client.config_set("maxmemory", 0)
    client.close()


@pytest.mark.parametrize(
    ("places", "left"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], [8, 9]),
        (range(10), []),
        ([4], [3, 5, 6, 7, 8, 9]),
        ([9], [3, 4, 5, 6, 7, 8]),
        ([2], [3, 4, 5, 6, 7, 8, 9]),
        ([3, 5, 6, 8], [4, 7, 9]),
    ],
    ids=["trimmed", "all", "a hole", "no end", "the reader's own", "holes"],
)
@pytest.mark.parametrize("is_full", [False, True], ids=["", "full"])
def test_a_loss_that_is_given_up_costs_nothing_that_is_left(
    servers: Servers, raw: redis.Redis, places: Sequence[int], left: list[int], is_full: bool
) -> None:
    name = unique()
    log = open_log(f"redis://127.0.0.1:{servers.redis.port}/0?stream={name}")
    log.append([event(number) for number in range(10)])
    cursor = log.read(START, 3).cursor
    entries = raw.xrange(f"{{{name}}}")
    ids = [entries[place][0] for place in places]  # type: ignore[index]
    raw.xdel(f"{{{name}}}", *ids)  # type: ignore[arg-type]
    raw.config_set("maxmemory", 1 if is_full else 0)
    found: list[Record] = []
    for _ in range(len(places) + 1):  # a person accepts one gap after the other
        with suppress(LogGap):
            while (batch := log.read(cursor, 10)).records:
                found, cursor = [*found, *batch.records], batch.cursor
        cursor = log.give_up(cursor)
    assert {one.event_id for one in found} >= {event(number).event_id for number in left}
    assert found[-len(left) or len(found) :] == [event(number) for number in left]
    assert log.backlog(cursor) == 0
    raw.config_set("maxmemory", 0)
    again = [number for number in places if number > 2]
    assert log.append([event(number) for number in again]).accepted == len(again), (
        "what was lost may be sent again"
    )
    assert list(log.read(cursor, 100).records) == [event(number) for number in again]
