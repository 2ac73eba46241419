"""What only Redis can do to log and histories: go down, lose data, be full, be replaced."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from cron.backends.redis.events import CHUNK_BYTES
from cron.backends.redis.server import POOL_SIZE
from cron.errors import AccessRefused, CannotKeep, LogGap, Unavailable
from cron.ports import START, Cursor, EventLog, Histories
from cron.project_root import PROJECT_ROOT
from cron.wiring import open_histories, open_log
from tests.contracts.records import event, item
from tests.servers import ServerProcess
from tests.services.cutter import Cutter
from tests.services.redis_stores import (
    LIMIT_S,
    everything,
    histories_url,
    log_url,
    own_redis,
    until_done,
)

PATIENCE_S = 60.0  # an outage is reported well within it, on a machine with other work too


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A Redis of the test's own, which loses nothing that it answered."""
    with own_redis(tmp_path / "redis", fsync="always") as server:
        yield server


@pytest.fixture
def log(server: ServerProcess) -> EventLog:
    return open_log(log_url(server))


@pytest.fixture
def histories(server: ServerProcess) -> Histories:
    return open_histories(histories_url(server))


@pytest.fixture
def raw(server: ServerProcess) -> Iterator[redis.Redis]:
    """The server as an operator's own tools see it."""
    client = redis.Redis(port=server.port)
    yield client
    client.close()


def test_a_server_killed_during_appends_loses_nothing(server: ServerProcess, log: EventLog) -> None:
    batches = [
        [event(number) for number in range(first, first + 10)] for first in range(0, 2000, 10)
    ]

    def send() -> None:
        for batch in batches:
            until_done(lambda batch=batch: log.append(batch))  # type: ignore[misc]

    sender = threading.Thread(target=send)
    sender.start()
    for _ in range(3):
        seen = log.backlog(START)
        while sender.is_alive() and _backlog(log) < seen + 200:
            time.sleep(0.002)
        server.kill()
        server.start()
    sender.join(LIMIT_S)
    assert not sender.is_alive()
    assert everything(open_log(log_url(server))) == [one for batch in batches for one in batch]


def _backlog(log: EventLog) -> int:
    with suppress(Unavailable):
        return log.backlog(START)
    return 0


def test_a_server_outage_is_reported_and_survived(
    server: ServerProcess, log: EventLog, histories: Histories
) -> None:
    log.append([event(1)])
    histories.append([event(1)], cursor=Cursor("7"))
    server.stop()
    calls: list[Callable[[], object]] = [
        lambda: log.append([event(2)]),
        lambda: log.read(START, 10),
        lambda: log.backlog(START),
        lambda: log.trim(Cursor("1-1@x")),
        lambda: histories.append([event(2)], cursor=Cursor("8")),
        lambda: histories.recent("u", 10),
        *(histories.hidden, histories.cursor),
        lambda: histories.hidden_among(["i"]),
        lambda: histories.forget("u", at=event(1).at),
        histories.clear,
    ]
    for call in calls:
        started = time.monotonic()
        with pytest.raises(
            Unavailable,
            match=rf"at redis://127\.0\.0\.1:{server.port}/0 does not answer .*is it running\?",
        ):
            call()
        assert time.monotonic() - started < PATIENCE_S
    server.start()
    assert log.append([event(1), event(2)]).duplicates == (0,)
    assert everything(log) == [event(1), event(2)]
    assert histories.recent("u", 10) == (event(1),)
    assert histories.cursor() == "7"


def test_an_append_with_a_lost_answer_counts_once(server: ServerProcess) -> None:
    with Cutter(server.port) as cutter:
        log = open_log(log_url(server, port=cutter.port))
        log.append([event(0)])
        cutter.cut_next_answer()
        appended = log.append([event(1), event(0), event(2), event(1)])
        assert cutter.num_cut == 1
    assert (appended.accepted, appended.duplicates) == (2, (1, 3)), (
        "the records are new to the sender, whatever the first try did"
    )
    assert everything(open_log(log_url(server))) == [event(0), event(1), event(2)]


@pytest.mark.parametrize(
    "room_mib", [1, 16, 64], ids=["no room to send it", "no room to store it", "room"]
)
def test_an_append_of_several_chunks_is_atomic(
    log: EventLog, raw: redis.Redis, room_mib: int
) -> None:
    log.append([event(0)])
    raw.config_set("maxmemory", int(raw.info("memory")["used_memory"]) + (room_mib << 20))
    large = [
        item(number, f"i{number}", attributes={"text": "x" * 10_000})
        for number in range(3 * CHUNK_BYTES // 10_000)
    ]
    stored = 0
    with suppress(CannotKeep):
        stored = log.append(large).accepted
    assert stored == (0 if room_mib == 1 else len(large))
    assert everything(log) == [event(0), *large[:stored]]


def test_a_user_with_the_documented_rights_can_do_all(
    server: ServerProcess, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (PROJECT_ROOT / "docs" / "backends.md").read_text(encoding="utf-8")
    rights = re.search(r"An ACL user needs\s+`(.+?)`\s+on\s+`(.+?)`\s+and\s+`(.+?)`", text)
    assert rights is not None
    keys = [
        pattern.replace("events", "shop").replace("histories", "who")
        for pattern in rights.groups()[1:]
    ]
    raw.execute_command(
        "ACL",
        "SETUSER",
        "freshet",
        "on",
        ">right-one",
        *(f"~{one}" for one in keys),
        *rights[1].split(),
    )  # type: ignore[no-untyped-call]
    monkeypatch.setenv("REDIS_USERNAME", "freshet")
    monkeypatch.setenv("REDIS_PASSWORD", "right-one")
    log, histories = open_log(log_url(server)), open_histories(histories_url(server))
    log.append([event(number) for number in range(30_000)])
    log.trim(log.read(START, 10).cursor)
    assert log.backlog(START) == 29_990
    histories.append(
        [event(1), event(2, user_id="v"), item(3, "i", hidden=True)], cursor=Cursor("7")
    )
    histories.append([event(number) for number in range(3000)])
    histories.forget("v", at=event(2).at)
    assert len(histories.recent("u", 2000)) == 1000
    assert histories.hidden() == histories.hidden_among(["i", "j"]) == {"i"}
    assert histories.cursor() == "7"
    histories.clear()
    with pytest.raises(AccessRefused, match=r"the event log at .* refuses access .*REDIS_USERNAME"):
        open_log(log_url(server).replace("shop", "another")).append([event(1)])


def test_a_full_server_refuses_appends_and_can_be_trimmed(log: EventLog, raw: redis.Redis) -> None:
    log.append([event(number) for number in range(5000)])
    cursor = log.read(START, 4000).cursor
    raw.config_set("maxmemory", 1)
    with pytest.raises(
        CannotKeep, match=r"the event log at redis://.* cannot store our data .*maxmemory"
    ):
        log.append([event(9999)])
    log.trim(cursor)
    assert everything(log, after=cursor) == [event(number) for number in range(4000, 5000)]
    raw.config_set("maxmemory", 0)
    assert log.append([event(9999)]).accepted == 1


def test_a_user_is_forgotten_on_a_full_server_too(histories: Histories, raw: redis.Redis) -> None:
    histories.append([event(1)])
    raw.config_set("maxmemory", 1)
    with pytest.raises(CannotKeep):
        histories.append([event(2)])
    histories.forget("u", at=event(5).at)
    raw.config_set("maxmemory", 0)
    histories.append([event(1)])
    assert histories.recent("u", 10) == ()


def test_a_server_that_evicts_keys_is_refused(
    server: ServerProcess, log: EventLog, raw: redis.Redis
) -> None:
    raw.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(
        CannotKeep, match=r"maxmemory-policy is allkeys-lru.*set maxmemory-policy noeviction"
    ):
        log.append([event(1)])
    with pytest.raises(CannotKeep):
        open_histories(histories_url(server)).append([event(1)])
    raw.config_set("maxmemory-policy", "noeviction")
    assert log.append([event(1)]).accepted == 1


def test_a_log_without_its_newest_records_is_no_gap(
    server: ServerProcess, log: EventLog, tmp_path: Path
) -> None:
    log.append([event(1), event(2), event(3)])
    server.stop()
    shutil.copytree(tmp_path / "redis", tmp_path / "before")
    server.start()
    log.append([event(4), event(5)])
    ahead = log.read(START, 10).cursor
    behind = log.read(START, 2).cursor
    server.kill()
    shutil.rmtree(tmp_path / "redis")
    (tmp_path / "before").rename(
        tmp_path / "redis"
    )  # what a server that writes once a second may come back with
    server.start()
    log.append([event(6), event(7), event(8)])  # at the places that 4 and 5 had
    assert log.backlog(ahead) == 6
    log.trim(ahead, log.read(START, 6).cursor)
    assert log.backlog(START) == 6, "a reader that must begin again holds the trim"
    assert set(everything(log, after=ahead)) >= {event(6), event(7), event(8)}
    assert everything(log, after=behind) == [event(3), event(6), event(7), event(8)]
    log.trim(behind)
    assert log.read(ahead, 10).records == (event(3), event(6), event(7), event(8))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw.xtrim("{shop}", maxlen=2, approximate=False),
        lambda raw: raw.delete("{shop}"),
        lambda raw: raw.xdel("{shop}", raw.xrange("{shop}")[4][0]),
        lambda raw: raw.xdel("{shop}", raw.xrange("{shop}")[9][0]),
        lambda raw: raw.flushall(),
        lambda raw: raw.delete("{shop}:log"),
    ],
    ids=["trimmed", "deleted", "a hole", "no end", "flushed", "no state"],
)
def test_what_somebody_else_removed_is_a_gap(
    log: EventLog, raw: redis.Redis, spoil: Callable[[redis.Redis], object]
) -> None:
    log.append([event(number) for number in range(10)])
    cursor = log.read(START, 3).cursor
    spoil(raw)
    with pytest.raises(LogGap, match="records after cursor"):
        everything(log, after=cursor)


def test_a_flushed_log_starts_again_and_the_old_place_is_a_gap(
    log: EventLog, raw: redis.Redis
) -> None:
    log.append([event(1), event(2)])
    old = log.read(START, 1).cursor
    raw.flushall()
    log.append([event(1), event(2), event(3)])
    assert everything(log) == [event(1), event(2), event(3)]
    with pytest.raises(LogGap):
        log.read(old, 10)
    log.trim(old)
    assert log.backlog(START) == 3


def test_a_stream_that_is_somebody_elses_is_left_alone(log: EventLog, raw: redis.Redis) -> None:
    raw.xadd("{shop}", {"their": "entry"})
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"\{shop\} holds entries that are not of this log"):
            log.append([event(1)])
    assert raw.xlen("{shop}") == 1
    raw.delete("{shop}")
    assert log.append([event(1)]).duplicates == (), "a refused append left nothing behind"


def test_a_key_of_another_kind_is_reported(log: EventLog, raw: redis.Redis) -> None:
    raw.set("{shop}", "text")
    with pytest.raises(Unavailable, match="WRONGTYPE"):
        log.append([event(1)])


def test_a_history_never_grows_far_over_its_bound(histories: Histories, raw: redis.Redis) -> None:
    for first in range(0, 3000, 50):
        histories.append([event(number) for number in range(first, first + 50)])
        assert raw.hlen("{who}:user:u") <= 1100
    assert histories.recent("u", 1000) == tuple(event(number) for number in range(2000, 3000))


def test_clearing_leaves_other_keys_alone(
    histories: Histories, server: ServerProcess, log: EventLog, raw: redis.Redis
) -> None:
    other = open_histories(f"redis://127.0.0.1:{server.port}/0?prefix=who2")
    other.append([event(1)])
    log.append([event(1)])
    histories.append(
        [event(number, user_id=f"u{number}") for number in range(3000)], cursor=Cursor("7")
    )
    histories.forget("u1", at=event(0).at)
    histories.clear()
    assert raw.keys("{who}:*") == [b"{who}:marks"]
    assert other.recent("u", 1) == (event(1),)
    assert log.backlog(START) == 1


def test_more_threads_than_connections_wait_for_their_turn(histories: Histories) -> None:
    """Of short calls: one that waits for longer than two seconds is refused."""
    histories.append([event(number) for number in range(10)])
    lengths: list[int] = []
    threads = [
        threading.Thread(target=lambda: lengths.append(len(histories.recent("u", 10))))
        for _ in range(3 * POOL_SIZE)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    assert lengths == [10] * len(threads)


def test_connections_speak_the_pinned_protocol_and_are_few(
    log: EventLog, histories: Histories, raw: redis.Redis
) -> None:
    for number in range(50):
        log.append([event(number)])
        histories.append([event(number)])
    ours = [client for client in raw.client_list() if client["cmd"] != "client|list"]
    assert {client["resp"] for client in ours} == {"2"}
    assert len(ours) == 2
