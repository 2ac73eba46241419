"""Ids of records that came without one: version 7, ever greater, whatever the clock does."""

from __future__ import annotations

import threading
import time
import uuid

from gateway.intake.record_ids import RecordIds


def test_ids_carry_the_time_and_the_version() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(RecordIds()())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_ids_increase_though_the_clock_steps_back() -> None:
    clock = [1_700_000_000_000_000_000] * 500 + [1_600_000_000_000_000_000] * 500
    new_id = RecordIds(time_ns=iter(clock).__next__)
    ids = [new_id() for _ in clock]
    assert ids == sorted(set(ids))
    assert {uuid.UUID(one).int >> 80 for one in ids} <= {1_700_000_000_000, 1_700_000_000_001}


def test_threads_never_share_an_id() -> None:
    new_id = RecordIds()
    made: list[list[str]] = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda ids=ids: ids.extend(new_id() for _ in range(2_000)))
        for ids in made
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one for ids in made for one in ids}) == 8_000
    assert all(ids == sorted(ids) for ids in made)
