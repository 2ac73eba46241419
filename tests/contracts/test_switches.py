"""Which switch of the live version may begin during another one, on every database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from cron.errors import LiveChanged, RolledBackMeanwhile, Superseded
from cron.ledger import holds, lease_row, release_rows, switches
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.wiring import open_ledger
from tests.contracts.ledgers import EMBEDDED, ON_SERVERS
from tests.releases import manifest, publish_releases

__all__ = ["EMBEDDED", "ON_SERVERS"]  # read by the suite's fixtures


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """Versions 1, 2 and 3 were published; 4 is only in the store."""
    ledger = open_ledger(url)
    lease = acquire(ledger)
    publish_releases(ledger, lease, 1, 2, 3)
    release_rows.add(ledger, manifest(4), lease=lease)
    yield ledger
    ledger.close()


def acquire(ledger: Ledger) -> Lease:
    lease = lease_row.acquire(ledger, "test", 60, ledger.now())
    assert lease is not None
    return lease


def test_publishing_never_overtakes_a_promotion(ledger: Ledger) -> None:
    promoting = switches.begin_promote(ledger, 1)
    with pytest.raises(
        Superseded, match="version 3 was live when this run began and 1 is live now"
    ):
        switches.begin_publish(ledger, 4, expected=3, lease=acquire(ledger))
    assert switches.end(ledger, promoting)
    assert switches.serving(ledger).live == 1


def test_a_run_is_obsolete_once_a_promotion_has_begun(ledger: Ledger) -> None:
    switches.check_wanted(ledger, expected=3, target_range=None, excluded=())
    promoting = switches.begin_promote(ledger, 1)
    with pytest.raises(Superseded):
        switches.check_wanted(ledger, expected=3, target_range=None, excluded=())
    switches.cancel(ledger, promoting)
    switches.check_wanted(ledger, expected=3, target_range=None, excluded=())


def test_a_second_bare_rollback_reports_the_first(ledger: Ledger) -> None:
    before = ledger.now()
    first = switches.begin_rollback(ledger, 2, reason="x", asked=switches.Seen(live=3, at=before))
    assert switches.end(ledger, first)
    with pytest.raises(
        RolledBackMeanwhile, match=r"version 3 was rolled back .* version 2 is live"
    ):
        switches.begin_rollback(ledger, 1, reason="x", asked=switches.Seen(live=2, at=before))
    later = ledger.now() + timedelta(seconds=1)
    switches.begin_rollback(ledger, 1, reason="x", asked=switches.Seen(live=2, at=later))


def test_of_two_rollbacks_from_one_version_one_begins(ledger: Ledger) -> None:
    begun = switches.begin_rollback(ledger, 2, reason="x", seen_live=3)
    for version in (1, 2):  # before the first is carried out
        with pytest.raises(LiveChanged, match="version 2 is live now"):
            switches.begin_rollback(ledger, version, reason="x", seen_live=3)
    assert switches.end(ledger, begun)
    with pytest.raises(LiveChanged):
        switches.begin_rollback(ledger, 1, reason="x", seen_live=3)
    switches.begin_rollback(ledger, 1, reason="x", seen_live=2)


def test_a_promotion_is_about_the_version_that_was_seen_live(ledger: Ledger) -> None:
    with pytest.raises(LiveChanged, match="version 3 is live now"):
        switches.begin_promote(ledger, 1, seen_live=2)
    assert switches.under_way(ledger) is None
    assert switches.begin_promote(ledger, 1, seen_live=3).version == 1


def test_a_bare_rollback_goes_back_from_what_was_seen_live(ledger: Ledger) -> None:
    assert switches.end(ledger, switches.begin_promote(ledger, 1))
    with pytest.raises(Superseded):
        switches.begin_rollback(ledger, 2, reason="x", asked=switches.Seen(live=3, at=ledger.now()))
    assert holds.current(ledger) is None
