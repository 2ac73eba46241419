"""The ledger on each database: segments, lease, runs, metrics, and writers that race."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa

from cron.errors import LeaseLost, LedgerFailed
from cron.ledger import (
    holds,
    journal_rows,
    lease_row,
    metric_rows,
    release_rows,
    run_rows,
    schema,
    switches,
)
from cron.ledger.ledger import Ledger, open_ledger
from cron.lineage import Lease, Quality, Segment
from cron.ports import Cursor
from tests.contracts.ledgers import EMBEDDED, NOW, ON_SERVERS
from tests.contracts.records import start_process, wait_for_end
from tests.releases import manifest, publish_releases, reason
from trainer.config import Mode

__all__ = ["EMBEDDED", "ON_SERVERS"]  # read by the suite's fixtures


def segment(first: int, last: int) -> Segment:
    return Segment(
        name=f"journal/{first}-{last}",
        sha256="5" * 64,
        first_seq=first,
        last_seq=last,
        num_events=last - first + 1,
        num_items=0,
        last_at=NOW,
    )


def test_segment_and_cursor_are_committed_together(ledger: Ledger, lease: Lease) -> None:
    journal_rows.commit_segment(ledger, segment(1, 10), Cursor("a"), lease)
    journal_rows.commit_segment(ledger, None, Cursor("b"), lease)
    with pytest.raises(ValueError, match="expected 11"):
        journal_rows.commit_segment(ledger, segment(12, 13), Cursor("c"), lease)
    assert journal_rows.segments(ledger) == (segment(1, 10),)
    assert (journal_rows.log_cursor(ledger), journal_rows.last_seq(ledger)) == ("b", 10)


def test_numbers_are_not_given_again_after_segments_were_dropped(
    ledger: Ledger, lease: Lease
) -> None:
    journal_rows.commit_segment(ledger, segment(1, 10), Cursor("a"), lease)
    journal_rows.commit_segment(ledger, segment(11, 20), Cursor("b"), lease)
    journal_rows.drop_segments(
        ledger, ["journal/1-10", "journal/11-20"], kept=segment(1, 20), lease=lease
    )
    assert journal_rows.segments(ledger) == (segment(1, 20),)
    assert journal_rows.last_seq(ledger) == 20


def test_parts_of_the_segments_are_read_alone(ledger: Ledger, lease: Lease) -> None:
    """There are more of them than one read takes."""
    ends = [number * number for number in range(1, 71)]
    every = [segment(last + 1, end) for last, end in pairwise([0, *ends])]
    for one in every:
        journal_rows.commit_segment(ledger, one, Cursor("a"), lease)
    assert list(journal_rows.oldest_first(ledger)) == every
    assert next(journal_rows.oldest_first(ledger)) == every[0]
    assert list(journal_rows.short_segments(ledger, records=5)) == every[:3]
    assert journal_rows.numbers_by_name(ledger) == {
        one.name: (one.first_seq, one.last_seq) for one in every
    }


def test_a_lease_is_held_until_it_runs_out_and_tokens_grow(ledger: Ledger, lease: Lease) -> None:
    assert lease_row.acquire(ledger, "two", 30, NOW + timedelta(seconds=29)) is None
    taken = lease_row.acquire(ledger, "two", 30, NOW + timedelta(seconds=31))
    assert taken is not None
    assert taken.token > lease.token
    assert lease_row.holder(ledger) == "two"


def test_a_holders_next_life_takes_its_lease_at_once(ledger: Ledger, lease: Lease) -> None:
    again = lease_row.acquire(ledger, "one", 30, NOW)
    assert again is not None
    assert again.token == lease.token + 1


def test_a_renewed_lease_lasts_longer_and_a_released_one_is_free(
    ledger: Ledger, lease: Lease
) -> None:
    lease_row.renew(ledger, lease, 30, NOW + timedelta(seconds=20))
    assert lease_row.acquire(ledger, "two", 30, NOW + timedelta(seconds=40)) is None
    lease_row.release(ledger, lease)
    assert lease_row.holder(ledger) is None
    assert lease_row.acquire(ledger, "two", 30, NOW) is not None


def test_every_write_of_a_run_is_fenced(ledger: Ledger, lease: Lease) -> None:
    run = run_rows.start(ledger, "full", reason=reason("x", ok=True), supersedes=None, lease=lease)
    release_rows.add(ledger, manifest(1), lease=lease)
    assert lease_row.acquire(ledger, "two", 30, NOW + timedelta(hours=1)) is not None
    quality = Quality(
        run_id=1,
        kind="panel",
        model="live",
        version=1,
        ndcg=0.1,
        rmse=None,
        num_users=1,
        num_events=1,
        at=NOW,
    )
    for write in (
        lambda: journal_rows.commit_segment(ledger, segment(1, 2), Cursor("x"), lease),
        lambda: run_rows.record_step(ledger, run.run_id, "train", "{}", seconds=1, lease=lease),
        lambda: run_rows.finish(ledger, run.run_id, "failed", reasons=[], metrics={}, lease=lease),
        lambda: run_rows.record_cost(ledger, run.run_id, device_s=1, cost=1, lease=lease),
        lambda: run_rows.record_skip(ledger, reason("x", ok=False), lease=lease),
        lambda: run_rows.allot_version(ledger, run.run_id, lease=lease),
        lambda: release_rows.add(ledger, manifest(2), lease=lease),
        lambda: metric_rows.add_quality(ledger, [quality], lease=lease),
        lambda: release_rows.mark_archive_gone(ledger, 1, lease=lease),
        lambda: lease_row.renew(ledger, lease, 30, NOW),
        lambda: switches.begin_publish(ledger, 1, expected=None, lease=lease),
    ):
        with pytest.raises(LeaseLost, match="two"):
            write()
    assert journal_rows.segments(ledger) == ()
    assert metric_rows.newest_quality(ledger) == ()


def test_a_repeated_step_keeps_its_first_output(ledger: Ledger, lease: Lease) -> None:
    run = run_rows.start(ledger, "full", reason=reason("x", ok=True), supersedes=None, lease=lease)
    assert run_rows.step_output(ledger, run.run_id, "archive") is None
    run_rows.record_step(
        ledger, run.run_id, "archive", '{"sha256": "first"}', seconds=1.5, lease=lease
    )
    run_rows.record_step(
        ledger, run.run_id, "archive", '{"sha256": "second"}', seconds=9, lease=lease
    )
    assert run_rows.step_output(ledger, run.run_id, "archive") == '{"sha256": "first"}'
    found = run_rows.open_run(ledger)
    assert found is not None
    assert found.seconds == {"archive": 1.5}


def test_only_one_run_is_open(ledger: Ledger, lease: Lease) -> None:
    run = run_rows.start(ledger, "full", reason=reason("why", ok=True), supersedes=3, lease=lease)
    with pytest.raises(ValueError, match="already open"):
        run_rows.start(ledger, "full", reason=reason("x", ok=True), supersedes=None, lease=lease)
    ended = run_rows.finish(
        ledger,
        run.run_id,
        "refused",
        reasons=[reason("gate", ok=False)],
        metrics={"ndcg": 0.1},
        lease=lease,
    )
    assert [one.name for one in ended.reasons] == ["why", "gate"]
    assert (ended.outcome, ended.supersedes, ended.metrics) == ("refused", 3, {"ndcg": 0.1})
    assert run_rows.open_run(ledger) is None
    assert run_rows.newest(ledger) == (ended,)


def test_the_last_full_retrain_does_not_depend_on_the_clock(
    url: str, ledger: Ledger, lease: Lease
) -> None:
    ahead = open_ledger(url, now=lambda: NOW + timedelta(days=400))
    set_back = open_ledger(url, now=lambda: NOW)
    for opened in (ahead, set_back):
        run = run_rows.start(
            opened, "full", reason=reason("x", ok=True), supersedes=None, lease=lease
        )
        ended = run_rows.finish(
            opened, run.run_id, "published", reasons=[], metrics={}, lease=lease
        )
        opened.close()
    assert run_rows.last_full(ledger) == ended


def test_equal_skipped_turns_are_one_row_with_the_newest_text(ledger: Ledger, lease: Lease) -> None:
    for name in ("few", "few", "held", "few"):
        run_rows.record_skip(ledger, reason(name, ok=False), lease=lease)
    assert [(run.reasons[0].name, run.count) for run in reversed(run_rows.newest(ledger))] == [
        ("few", 2),
        ("held", 1),
        ("few", 1),
    ]


def test_versions_grow_and_the_first_baseline_is_0(ledger: Ledger, lease: Lease) -> None:
    versions = []
    modes: tuple[Mode, ...] = ("baseline", "full", "update", "baseline")
    for mode in modes:
        run = run_rows.start(
            ledger, mode, reason=reason("x", ok=True), supersedes=None, lease=lease
        )
        versions.append(run_rows.allot_version(ledger, run.run_id, lease=lease))
        assert run_rows.allot_version(ledger, run.run_id, lease=lease) == versions[-1]
        run_rows.finish(ledger, run.run_id, "failed", reasons=[], metrics={}, lease=lease)
    assert versions == [0, 1, 2, 3]


def test_excluded_ranges_add_up(ledger: Ledger) -> None:
    holds.resume(ledger, [(10, 20)])
    holds.resume(ledger, [(15, 30), (1, 2)])
    holds.resume(ledger)
    assert holds.excluded_ranges(ledger) == ((1, 2), (10, 30))


def test_counters_do_not_lose_a_count_among_threads(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: metric_rows.count(ledger, "ticks"), range(40)))
    metric_rows.set_gauge(ledger, "rollback_seconds", 0.5)
    assert metric_rows.stored_metrics(ledger) == {"ticks": 40.0, "rollback_seconds": 0.5}


def test_a_reopened_ledger_knows_everything(ledger: Ledger, lease: Lease, url: str) -> None:
    publish_releases(ledger, lease, 1, 2)
    again = open_ledger(url)
    assert release_rows.newest_releases(again) == release_rows.newest_releases(ledger)
    assert switches.serving(again) == switches.serving(ledger)
    again.close()


def test_texts_of_any_kind_come_back(ledger: Ledger, lease: Lease) -> None:
    odd = "ü🎬日本\n\t'\"\\%s %(x)s :name \x7f"
    holds.pause(ledger, odd)
    journal_rows.commit_segment(ledger, None, Cursor(odd * 10_000), lease)
    hold = holds.current(ledger)
    assert hold is not None
    assert hold.reason == odd
    assert journal_rows.log_cursor(ledger) == odd * 10_000


def test_of_many_who_ask_at_once_one_gets_the_lease(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        leases = list(
            pool.map(
                lambda number: lease_row.acquire(ledger, f"worker {number}", 30, NOW), range(16)
            )
        )
    assert len([one for one in leases if one is not None]) == 1


def test_racing_writers_decide_one_after_another(ledger: Ledger, lease: Lease) -> None:
    """What a writer reads is still true when it writes.

    No number is given twice or left out, no second run is open, and each switch has its own epoch.
    """
    publish_releases(ledger, lease, 1, 2)

    def race(_number: int) -> tuple[bool, bool, int]:
        try:
            run = run_rows.start(
                ledger, "full", reason=reason("race", ok=True), supersedes=None, lease=lease
            )
            started = True
        except ValueError:
            started = False
        try:
            last = journal_rows.last_seq(ledger)
            journal_rows.commit_segment(ledger, segment(last + 1, last + 2), Cursor("x"), lease)
            committed = True
        except ValueError:
            committed = False
        epoch = switches.begin_promote(ledger, 1).epoch
        if started:
            run_rows.finish(ledger, run.run_id, "failed", reasons=[], metrics={}, lease=lease)
        return started, committed, epoch

    with ThreadPoolExecutor(8) as pool:
        raced = list(pool.map(race, range(40)))
    segments = journal_rows.segments(ledger)
    assert len(segments) == sum(committed for _, committed, _ in raced)
    assert [one.first_seq for one in segments] == list(range(1, 2 * len(segments), 2))
    assert len(run_rows.newest(ledger)) == sum(started for started, _, _ in raced)
    assert sorted(epoch for _, _, epoch in raced) == list(range(3, 43))


RAISE_COUNTER = """
import sys
from cron.ledger import metric_rows
from cron.ledger.ledger import open_ledger
ledger = open_ledger(sys.argv[1])
for _ in range(50):
    metric_rows.count(ledger, "ticks")
"""


def test_racing_processes_lose_nothing(url: str) -> None:
    """The ledger is new: they race for making it, too."""
    processes = [start_process(RAISE_COUNTER, url) for _ in range(4)]
    for process in processes:
        wait_for_end(process)
    ledger = open_ledger(url)
    assert metric_rows.stored_metrics(ledger) == {"ticks": 200.0}
    with ledger.read() as connection:
        assert len(connection.execute(sa.select(schema.desk)).all()) == 1
    ledger.close()


def test_a_reader_sees_one_moment(ledger: Ledger, lease: Lease) -> None:
    with ledger.read() as connection:
        before = connection.execute(sa.select(schema.desk.c.last_seq)).scalar_one()
        journal_rows.commit_segment(ledger, segment(1, 2), Cursor("x"), lease)
        assert connection.execute(sa.select(schema.segments)).all() == []
        assert connection.execute(sa.select(schema.desk.c.last_seq)).scalar_one() == before
    assert journal_rows.last_seq(ledger) == 2


def test_a_half_restored_ledger_is_one_of_our_errors(ledger: Ledger) -> None:
    """The gateway keeps its last release, and the metrics page keeps the others."""
    with ledger.write() as connection:
        connection.execute(schema.desk.delete())
    with pytest.raises(LedgerFailed, match="No row was found"):
        switches.serving(ledger)


def test_what_trainings_cost_is_counted_by_day(ledger: Ledger, lease: Lease) -> None:
    for number in (1, 2):
        run = run_rows.start(
            ledger, "full", reason=reason("asked_for", ok=True), supersedes=None, lease=lease
        )
        run_rows.record_cost(ledger, run.run_id, device_s=1.0, cost=0.5, lease=lease)
        run_rows.record_cost(ledger, run.run_id, device_s=60.0, cost=number, lease=lease)
        run_rows.finish(ledger, run.run_id, "failed", reasons=[], metrics={}, lease=lease)
    untrained = run_rows.start(
        ledger, "update", reason=reason("asked_for", ok=True), supersedes=None, lease=lease
    )
    assert run_rows.one(ledger, untrained.run_id).cost is None
    spent = run_rows.spent_since(ledger, ledger.now() - timedelta(days=1))
    assert (spent.device_s, spent.cost) == (120.0, 3.0)
    assert run_rows.spent_since(ledger, ledger.now() + timedelta(days=1)).cost == 0.0
