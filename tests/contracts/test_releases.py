"""Releases and switches in the ledger, on each database."""

from __future__ import annotations

import pytest

from cron.errors import Held, Superseded, UnknownVersion
from cron.ledger import holds, release_rows, schema, switches
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, manifest_to_json
from tests.contracts.ledgers import EMBEDDED, NOW, ON_SERVERS
from tests.releases import manifest, publish_releases

__all__ = ["EMBEDDED", "ON_SERVERS"]  # read by the suite's fixtures


def test_an_archive_is_not_a_release_before_it_was_live(ledger: Ledger, lease: Lease) -> None:
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


def test_a_change_by_hand_is_recorded_unless_the_ledger_changed(
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
    """A week with a release every few minutes.

    Reading all manifests would take seconds, so here it fails.
    """
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
