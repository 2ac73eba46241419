"""`relay` and `follow` are killed, moved and started twice: nothing lost or repeated."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cron.ports import START, Cursor, EventLog
from cron.project_root import PROJECT_ROOT
from cron.wiring import open_histories, open_log, open_relay_target
from recommender.records.events import Event, Item, Record
from recommender.records.facts import Fact
from tests.contracts.records import event, item
from tests.servers import ServerProcess, Servers, unique

LIMIT_S = 240.0  # of what takes some seconds on an idle machine
NUM_RECORDS = 24_000


@pytest.fixture(params=["sqlite", "kafka"])
def source_url(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> str:
    return servers.kafka_log() if request.param == "kafka" else f"sqlite:///{tmp_path}/source.db"


@pytest.fixture
def target_url(servers: Servers) -> str:
    return f"redis://127.0.0.1:{servers.redis.port}/0?stream={unique()}"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a verb with settings of its own folder; whatever still runs afterwards is killed."""
    running: list[subprocess.Popen[str]] = []

    def start_verb(
        *arguments: str, events: str = "", histories: str = "", home: Path = tmp_path
    ) -> subprocess.Popen[str]:
        stores = {
            "EVENTS": events or f"sqlite:///{home}/events.db",
            "HISTORIES": histories or f"sqlite:///{home}/histories.db",
            "ARTIFACTS": f"file:///{home}/archives",
            "LEDGER": f"sqlite:///{home}/ledger.db",
            "VAR": str(home / "var"),
        }
        settings = {f"FRESHET__STORE__{name}": value for name, value in stores.items()} | {
            "FRESHET__WORKER__POLL_S": "0.05"
        }
        command = [sys.executable, "-m", "cron", *arguments]
        pipe = subprocess.PIPE
        running.append(
            subprocess.Popen(
                command,
                cwd=PROJECT_ROOT,
                env={**os.environ, **settings},
                text=True,
                stdout=pipe,
                stderr=pipe,
            )
        )
        return running[-1]

    yield start_verb
    for process in running:
        process.kill()
        process.communicate()


def everything(log: EventLog) -> list[Record]:
    found: list[Record] = []
    cursor = START
    while True:
        batch = log.read(cursor, 5000)
        if batch.cursor == cursor:
            return found
        found += batch.records
        cursor = batch.cursor


def until(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert process is None or process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def finish(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, errors
    return output


def records_of(users: int = 50) -> list[Record]:
    """Return many events and an item here and there, each user's in order."""
    return [record(number, users) for number in range(NUM_RECORDS)]


def record(number: int, users: int) -> Record:
    if number % 100 == 0:
        return item(number, f"i{number % 1000}", hidden=number % 300 == 0)
    return event(number, user_id=f"u{number % users}")


def owner_of(record: Record) -> str:
    if isinstance(record, Fact):
        return record.head
    return record.user_id if isinstance(record, Event) else record.item_id


def by_user(records: list[Record]) -> dict[str, list[Record]]:
    """Return the records of each user and item in order, which a partitioned log keeps."""
    lines: dict[str, list[Record]] = {}
    for record in records:
        lines.setdefault(owner_of(record), []).append(record)
    return lines


def test_a_killed_relay_neither_loses_nor_repeats_records(
    source_url: str, target_url: str, start: Callable[..., subprocess.Popen[str]]
) -> None:
    records = records_of()
    source, target = open_log(source_url), open_relay_target(target_url)
    chance = random.Random(7)
    for first in range(0, NUM_RECORDS, NUM_RECORDS // 3):
        source.append(
            records[first : first + NUM_RECORDS // 3]
        )  # two batches and what the last relay had no time for
        process = start("relay", "--from", source_url, "--to", target_url)
        before = target.backlog(START)
        until(lambda before=before: target.backlog(START) > before, process)  # type: ignore[misc]
        time.sleep(chance.uniform(0, 0.05))  # anywhere within the next batches
        process.kill()
        process.wait()
    printed = finish(start("relay", "--from", source_url, "--to", target_url, "--once"))
    assert "records read, 0 of them already in the log" in printed
    relayed = everything(target)
    assert len(relayed) == NUM_RECORDS
    assert by_user(relayed) == by_user(records)
    assert finish(start("relay", "--from", source_url, "--to", target_url, "--once")).startswith(
        "0 records read"
    )


def test_two_relays_at_once_bring_each_record_once(
    source_url: str, target_url: str, start: Callable[..., subprocess.Popen[str]]
) -> None:
    records = records_of()
    open_log(source_url).append(records)
    for process in [
        start("relay", "--from", source_url, "--to", target_url, "--once") for _ in range(2)
    ]:
        finish(process)
    assert by_user(everything(open_log(target_url))) == by_user(records)


def test_a_relay_outlives_its_target_and_ends_cleanly(
    target_url: str, servers: Servers, tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    source_url = f"sqlite:///{tmp_path}/source.db"
    source = open_log(source_url)
    source.append([event(1)])
    process = start("relay", "--from", source_url, events=target_url)
    until(lambda: open_log(target_url).backlog(START) == 1, process)
    redis: ServerProcess = servers.redis
    redis.kill()
    source.append([event(2)])
    assert process.poll() is None
    redis.start()
    until(lambda: open_log(target_url).backlog(START) == 2, process)
    process.send_signal(signal.SIGTERM)
    assert finish(process) == "2 records read, 0 of them already in the log\n"
    assert everything(open_log(target_url)) == [event(1), event(2)]


@pytest.mark.parametrize(
    ("lost", "num_known", "brought"), [("recreated", 1, (3,)), ("trimmed", 0, (4, 5))]
)
def test_a_relay_skips_a_gap_only_when_asked(
    target_url: str,
    tmp_path: Path,
    start: Callable[..., subprocess.Popen[str]],
    lost: str,
    num_known: int,
    brought: tuple[int, ...],
) -> None:
    source_url = f"sqlite:///{tmp_path}/source.db"
    open_log(source_url).append([event(1), event(2)])
    finish(start("relay", "--from", source_url, "--to", target_url, "--once"))
    if lost == "recreated":
        for file in tmp_path.glob("source.db*"):
            file.unlink()
        open_log(source_url).append([event(2), event(3)])
    else:
        source = open_log(source_url)
        source.append([event(3), event(4), event(5)])
        source.trim(source.read(START, 3).cursor)
    process = start("relay", "--from", source_url, "--to", target_url, "--once")
    _, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    assert "records after cursor" in errors
    assert "--from-start" in errors
    printed = finish(
        start("relay", "--from", source_url, "--to", target_url, "--once", "--from-start")
    )
    assert printed == f"2 records read, {num_known} of them already in the log\n"
    assert everything(open_log(target_url)) == [
        event(1),
        event(2),
        *(event(number) for number in brought),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--from", "sqlite:///var/a.db", "--to", "sqlite:///var/b.db"),
            "can't be a relay's target: expected a URL",
        ),
        (
            ("--from", "redis://localhost/x"),
            "--from = 'redis://localhost/x': expected redis://HOST:PORT/DATABASE?stream=NAME",
        ),
        (
            ("--from", "sqlite:///var/a.db", "--to", "redis://u:geheim@localhost/0"),
            "--to = 'redis://u:***@localhost/0': expected",
        ),
    ],
)
def test_a_wrong_url_is_reported(
    arguments: tuple[str, ...], said: str, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start("relay", *arguments)
    _, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 2
    assert said in errors
    assert "geheim" not in errors


def test_a_follower_is_killed_moved_and_rebuilt(
    source_url: str, servers: Servers, tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    records = records_of()
    log, histories_url = (
        open_log(source_url),
        f"redis://127.0.0.1:{servers.redis.port}/0?prefix={unique()}",
    )
    histories = open_histories(histories_url)
    log.append(records[: NUM_RECORDS // 2])
    for name in ("one", "two"):  # two machines that share nothing but Redis
        (tmp_path / name).mkdir()
        before = histories.cursor()
        process = start("follow", events=source_url, histories=histories_url, home=tmp_path / name)
        until(lambda before=before: histories.cursor() != before, process)  # type: ignore[misc]
        process.kill()
        process.wait()
        log.append(records[NUM_RECORDS // 2 :] if name == "one" else [])
    finish(
        start("follow", "--once", events=source_url, histories=histories_url, home=tmp_path / "two")
    )
    expected = by_user(records)
    hidden = {
        name for name, words in expected.items() if isinstance(words[-1], Item) and words[-1].hidden
    }
    assert 0 < len(hidden) < 10

    def assert_complete() -> None:
        for user in ("u1", "u17", "u49"):
            assert histories.recent(user, 1000) == tuple(expected[user][-1000:])
        assert histories.hidden() == hidden

    assert_complete()
    place: Cursor = histories.cursor()
    histories.clear()
    finish(
        start(
            "follow",
            "--once",
            "--rebuild",
            events=source_url,
            histories=histories_url,
            home=tmp_path / "two",
        )
    )
    assert_complete()
    assert histories.cursor() == place


def test_a_follower_waits_for_redis_and_ends_cleanly(
    servers: Servers, tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    port = servers.redis.port
    log_url, histories_url = (
        f"redis://127.0.0.1:{port}/0?stream={unique()}",
        f"redis://127.0.0.1:{port}/0?prefix={unique()}",
    )
    log, histories = open_log(log_url), open_histories(histories_url)
    log.append([event(1)])
    process = start("follow", events=log_url, histories=histories_url)
    until(lambda: histories.recent("u", 10) == (event(1),), process)
    servers.redis.kill()
    servers.redis.start()
    log.append([event(2)])
    until(lambda: histories.recent("u", 10) == (event(1), event(2)), process)
    process.send_signal(signal.SIGTERM)
    assert finish(process) == "2 records followed\n"
