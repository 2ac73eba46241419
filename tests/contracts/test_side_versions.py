"""Side versions in the ledger, on each database."""

from __future__ import annotations

import pytest

from cron.errors import NoArchive, TooManySideVersions, UnknownVersion
from cron.ledger import release_rows, side_rows, switches
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from tests.contracts.ledgers import EMBEDDED, ON_SERVERS
from tests.releases import manifest, publish_releases

__all__ = ["EMBEDDED", "ON_SERVERS"]  # read by the suite's fixtures


def needs_by_version(ledger: Ledger) -> list[tuple[int, str]]:
    return [(one.version, one.needed_by) for one in side_rows.every(ledger)]


def test_a_version_stays_while_anything_needs_it(ledger: Ledger, lease: Lease) -> None:
    publish_releases(ledger, lease, 1, 2)
    release_rows.add(ledger, manifest(3), lease=lease)
    side_rows.add(ledger, 1, "home", limit=2)
    side_rows.add(ledger, 3, "trial", limit=2, lease=lease)
    side_rows.add(ledger, 3, "home", limit=2)
    side_rows.add(ledger, 3, "home", limit=2)
    assert sorted(needs_by_version(ledger)) == [(1, "home"), (3, "home"), (3, "trial")]
    assert {one.version for one in side_rows.manifests(ledger)} == {1, 3}
    side_rows.remove(ledger, "home")
    assert needs_by_version(ledger) == [(3, "trial")]
    side_rows.remove(ledger, "nothing")


def test_there_are_as_many_as_the_limit_says(ledger: Ledger, lease: Lease) -> None:
    """The live version takes no place, since it is loaded in any case."""
    publish_releases(ledger, lease, 1, 2, 3)
    side_rows.add(ledger, 1, "home", limit=1)
    side_rows.add(ledger, 3, "home", limit=1)
    side_rows.add(ledger, 1, "cart", limit=1)
    with pytest.raises(TooManySideVersions, match="version 2 can't be loaded"):
        side_rows.add(ledger, 2, "cart", limit=1)


def test_a_version_without_an_archive_is_refused(ledger: Ledger, lease: Lease) -> None:
    publish_releases(ledger, lease, 1, 2)
    with pytest.raises(UnknownVersion):
        side_rows.add(ledger, 7, "home", limit=2)
    assert release_rows.mark_archive_gone(ledger, 1, lease=lease)
    with pytest.raises(NoArchive, match="the archive of version 1 was deleted"):
        side_rows.add(ledger, 1, "home", limit=2)


def test_the_archive_of_a_side_version_stays(ledger: Ledger, lease: Lease) -> None:
    publish_releases(ledger, lease, 1, 2)
    side_rows.add(ledger, 1, "home", limit=2)
    assert not release_rows.mark_archive_gone(ledger, 1, lease=lease)
    side_rows.remove(ledger, "home")
    assert release_rows.mark_archive_gone(ledger, 1, lease=lease)
    assert switches.serving(ledger).live == 2
