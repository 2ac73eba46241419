"""The ledger, on each database: each method's promise, the fence, the switches; writers that race, and a database that goes away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from cron.errors import Held, LeaseLost, Superseded, UnknownVersion
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
from cron.lineage import Lease, Quality, Segment, manifest_to_json
from cron.ports import Cursor
from tests.contracts.records import start_process, wait_for_end
from tests.releases import manifest, publish_releases, reason
from tests.servers import Servers
from trainer.config import Mode

NOW = datetime(2026, 1, 1, tzinfo=UTC)


EMBEDDED: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder}/ledger.db"
}
ON_SERVERS: dict[str, Callable[[Servers], str]] = {
    "postgresql": lambda servers: servers.postgres_database()
}


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    ledger = open_ledger(url)
    yield ledger
    ledger.close()


@pytest.fixture
def lease(ledger: Ledger) -> Lease:
    lease = lease_row.acquire(ledger, "one", 30, NOW)
    assert lease is not None
    return lease


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
        lambda: run_rows.record_step(ledger, run.run_id, "train", {}, seconds=1, lease=lease),
        lambda: run_rows.finish(ledger, run.run_id, "failed", reasons=[], metrics={}, lease=lease),
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
        ledger, run.run_id, "archive", {"sha256": "first"}, seconds=1.5, lease=lease
    )
    run_rows.record_step(
        ledger, run.run_id, "archive", {"sha256": "second"}, seconds=9, lease=lease
    )
    assert run_rows.step_output(ledger, run.run_id, "archive") == {"sha256": "first"}
    found = run_rows.open_run(ledger)
    assert found is not None
    assert found.seconds == {"archive": 1.5}


def test_only_one_run_is_open(ledger: Ledger, lease: Lease) -> None:
    run = run_rows.start(ledger, "full", reason=reason("why", ok=True), supersedes=3, lease=lease)
    with pytest.raises(ValueError, match="already open"):
        run_rows.start(ledger, "full", reason=reason("x", ok=True), supersedes=None, lease=lease)
    wait_for_end = run_rows.finish(
        ledger,
        run.run_id,
        "refused",
        reasons=[reason("gate", ok=False)],
        metrics={"ndcg": 0.1},
        lease=lease,
    )
    assert [one.name for one in wait_for_end.reasons] == ["why", "gate"]
    assert (wait_for_end.outcome, wait_for_end.supersedes, wait_for_end.figures) == (
        "refused",
        3,
        {"ndcg": 0.1},
    )
    assert run_rows.open_run(ledger) is None
    assert run_rows.newest(ledger) == (wait_for_end,)


def test_the_last_full_retrain_is_the_newest_whatever_the_clock_said_when_it_ended(
    ledger: Ledger, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ended_at in (NOW + timedelta(days=400), NOW):  # the clock was set back between them
        monkeypatch.setattr(ledger, "now", lambda at=ended_at: at)
        run = run_rows.start(
            ledger, "full", reason=reason("x", ok=True), supersedes=None, lease=lease
        )
        wait_for_end = run_rows.finish(
            ledger, run.run_id, "published", reasons=[], metrics={}, lease=lease
        )
    assert run_rows.last_full(ledger) == wait_for_end


def test_equal_skipped_turns_are_one_row_with_the_newest_text(ledger: Ledger, lease: Lease) -> None:
    for name in ("few", "few", "held", "few"):
        run_rows.record_skip(ledger, reason(name, ok=False), lease=lease)
    assert [(run.reasons[0].name, run.count) for run in reversed(run_rows.newest(ledger))] == [
        ("few", 2),
        ("held", 1),
        ("few", 1),
    ]


def test_versions_grow_start_at_0_for_the_first_baseline_and_belong_to_their_run(
    ledger: Ledger, lease: Lease
) -> None:
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


def test_an_archive_is_no_release_before_it_was_live(ledger: Ledger, lease: Lease) -> None:
    publish_releases(ledger, lease, 1)
    release_rows.add(ledger, manifest(2), lease=lease)
    assert [one.version for one in release_rows.newest_releases(ledger)] == [1]
    assert release_rows.archive_manifest(ledger, 2) == manifest(2)
    with pytest.raises(UnknownVersion, match="existing versions: 1"):
        release_rows.release(ledger, 2)
    with pytest.raises(UnknownVersion):
        switches.begin_rollback(ledger, 2, reason="x")


def test_publishing_compares_what_was_live(ledger: Ledger, lease: Lease) -> None:
    publish_releases(ledger, lease, 1, 2)
    release_rows.add(ledger, manifest(3), lease=lease)
    with pytest.raises(Superseded, match="version 1 was live"):
        switches.begin_publish(ledger, 3, expected=1, lease=lease)
    assert switches.serving(ledger).switch is None


def test_publishing_stops_at_a_hold(ledger: Ledger, lease: Lease) -> None:
    publish_releases(ledger, lease, 1)
    release_rows.add(ledger, manifest(2), lease=lease)
    holds.pause(ledger, "first")
    assert holds.pause(ledger, "second").reason == "first"
    with pytest.raises(Held, match="first"):
        switches.begin_publish(ledger, 2, expected=1, lease=lease)
    holds.resume(ledger)
    switches.begin_publish(ledger, 2, expected=1, lease=lease)


def test_a_rollback_holds_marks_and_picks_the_previous_good_one(
    ledger: Ledger, lease: Lease
) -> None:
    publish_releases(ledger, lease, 1, 2, 3)
    good = release_rows.previous_good(ledger)
    assert good is not None
    assert good.version == 2
    assert switches.end(ledger, switches.begin_rollback(ledger, 2, reason="by a test"))
    live, hold = release_rows.live(ledger), holds.current(ledger)
    assert live is not None
    assert hold is not None
    assert (live.version, hold.reason) == (2, "by a test")
    assert release_rows.release(ledger, 3).rolled_back_at is not None
    assert [one.version for one in release_rows.rollback_candidates(ledger)] == [1]


def test_what_was_rolled_back_never_comes_back_by_itself(ledger: Ledger, lease: Lease) -> None:
    publish_releases(ledger, lease, 1, 2)
    switches.end(ledger, switches.begin_rollback(ledger, 1, reason="x"))
    holds.resume(ledger)
    with pytest.raises(Superseded):
        switches.begin_publish(ledger, 2, expected=1, lease=lease)
    assert switches.end(ledger, switches.begin_promote(ledger, 2))  # a person may


def test_a_rollback_during_a_switch_wins(ledger: Ledger, lease: Lease) -> None:
    publish_releases(ledger, lease, 1, 2)
    release_rows.add(ledger, manifest(3), lease=lease)
    publishing = switches.begin_publish(ledger, 3, expected=2, lease=lease)
    rolling = switches.begin_rollback(ledger, 1, reason="x")
    assert not switches.end(ledger, publishing)
    assert switches.end(ledger, rolling)
    assert not switches.end(ledger, rolling)
    assert switches.serving(ledger).live == 1
    assert [one.version for one in release_rows.newest_releases(ledger)] == [1, 2]


def test_a_cancelled_switch_leaves_what_was_live(ledger: Ledger, lease: Lease) -> None:
    publish_releases(ledger, lease, 1, 2)
    begun = switches.begin_rollback(ledger, 1, reason="x")
    switches.cancel(ledger, begun)
    assert switches.serving(ledger).live == 2
    assert switches.under_way(ledger) is None
    assert not switches.end(ledger, begun)
    assert release_rows.release(ledger, 2).rolled_back_at is None


def test_a_persons_change_is_recorded_only_while_nothing_else_changed(
    ledger: Ledger, lease: Lease
) -> None:
    publish_releases(ledger, lease, 1, 2)
    epoch = switches.serving(ledger).epoch
    assert not switches.record_by_hand(
        ledger, 1, "rollback", expected=2, epoch=epoch - 1, reason="x"
    )
    assert switches.record_by_hand(ledger, 1, "rollback", expected=2, epoch=epoch, reason="x")
    assert switches.serving(ledger).live == 1
    assert release_rows.release(ledger, 2).rolled_back_at is not None


@pytest.mark.parametrize(
    ("known", "excluded", "is_dropped"),
    [
        ((), (150, 160), True),
        ((), (1, 5), True),
        ((), (301, 400), False),
        (((150, 160),), (150, 160), False),
        (((150, 160),), (155, 170), True),
    ],
)
def test_what_is_excluded_while_a_run_learns_it_is_not_published(
    ledger: Ledger,
    lease: Lease,
    known: tuple[tuple[int, int], ...],
    excluded: tuple[int, int],
    is_dropped: bool,
) -> None:
    publish_releases(ledger, lease, 1)
    release_rows.add(
        ledger, manifest(2, mode="update", target_range=(101, 300), excluded=known), lease=lease
    )
    holds.pause(ledger, "poison is coming in")
    holds.resume(ledger, [excluded])
    if is_dropped:
        with pytest.raises(Superseded, match="were excluded after this run had begun"):
            switches.begin_publish(ledger, 2, expected=1, lease=lease)
    else:
        switches.begin_publish(ledger, 2, expected=1, lease=lease)


def test_an_archive_that_became_live_meanwhile_is_not_deleted(ledger: Ledger, lease: Lease) -> None:
    publish_releases(ledger, lease, 1, 2, 3)
    switches.begin_rollback(ledger, 1, reason="x")
    assert [
        release_rows.mark_archive_gone(ledger, version, lease=lease) for version in (1, 2, 3)
    ] == [
        False,
        True,
        False,
    ]
    assert [one.version for one in release_rows.kept_releases(ledger)] == [1, 3]


def test_thousands_of_old_releases_cost_a_rollback_nothing(ledger: Ledger, lease: Lease) -> None:
    """A week at a release every few minutes; reading the manifests of all of them would take seconds, so here that fails."""
    publish_releases(ledger, lease, *range(1, 6))
    gone = {"published_at": NOW.isoformat(), "archive_gone": True}
    rows = [{"version": 10 + one, "manifest": "read by nobody", **gone} for one in range(2990)]
    rows += [
        {"version": 3000 + one, "manifest": manifest_to_json(manifest(3000 + one)), **gone}
        for one in range(10)
    ]
    with ledger.write() as connection:
        connection.execute(schema.releases.insert(), rows)
    previous = release_rows.previous_good(ledger)
    assert previous is not None
    assert (
        previous.version,
        release_rows.release(ledger, 3).version,
        release_rows.is_release(ledger, 4),
    ) == (4, 3, True)
    assert len(release_rows.newest_releases(ledger, limit=10)) == 10
    with pytest.raises(UnknownVersion, match=r"existing versions: 2990, .*, 3009"):
        release_rows.release(ledger, 9999)


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
    """What each of them reads must still be so when it writes: no number twice, no gap, no run beside an open one, one switch an epoch."""
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
