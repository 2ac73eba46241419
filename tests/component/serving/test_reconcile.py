"""Desired and actual state: restarts, a person's hand, switches cut off, archives gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cron.errors import ServerRefused, Unavailable
from cron.ledger import holds, metric_rows, release_rows, switches
from cron.ledger.ledger import Ledger
from cron.lineage import Switch
from cron.services import Services
from cron.serving import release
from cron.serving.reconcile import Reconciler
from cron.serving.restore import restore
from tests.component.serving.reconciling import SteppedClock, record_asked, ticks
from tests.releases import manifest
from tests.workshop import lease_of, server_of


def begin_rollback(ledger: Ledger, version: int) -> Switch:
    return switches.begin_rollback(ledger, version, reason="x")


def test_when_all_is_well_nothing_is_done(services: Services) -> None:
    ticks(services)
    assert server_of(services).log == []


def test_an_emptied_server_gets_the_live_version_first(
    services: Services,
) -> None:
    server_of(services).restart_empty()
    ticks(services)
    assert server_of(services).log == ["register 3", "set_live 3", "register 2"]
    assert services.server.live() == 3
    assert holds.current(services.ledger) is None


def test_a_server_that_is_down_is_an_error_of_the_tick_alone(services: Services) -> None:
    server_of(services).is_down = True
    reconciler = Reconciler(services)
    with pytest.raises(Unavailable):
        reconciler.tick()
    server_of(services).is_down = False
    server_of(services).restart_empty()
    reconciler.tick()
    assert services.server.live() == 3


def test_a_default_set_by_hand_is_recorded_as_a_rollback(
    services: Services,
) -> None:
    services.server.set_live(2)
    ticks(services)
    live, hold = release_rows.live(services.ledger), holds.current(services.ledger)
    assert live is not None
    assert hold is not None
    assert live.version == 2
    assert hold.reason == "rolled back from version 3 to 2 on the server itself"
    assert release_rows.release(services.ledger, 3).rolled_back_at is not None
    assert server_of(services).log == ["set_live 2"]


def test_a_default_that_corrects_itself_is_not_recorded(
    services: Services,
) -> None:
    """A worker paused during a switch sets a stale default on waking up, and corrects it."""
    reconciler = ticks(services, 1)
    for default in (2, 3, 2, 3):
        services.server.set_live(default)
        reconciler.tick()
    assert (holds.current(services.ledger), switches.serving(services.ledger).live) == (None, 3)


@pytest.mark.parametrize("is_archived", [False, True], ids=["unknown", "a candidate under probe"])
def test_an_unreleased_default_pauses_publishing(
    services: Services, tmp_path: Path, is_archived: bool
) -> None:
    if is_archived:
        release_rows.add(services.ledger, manifest(77), lease=lease_of(services.ledger))
    state = tmp_path / "server" / "state.json"
    state.write_text('{"registered": [2, 3, 77], "default": 77}')
    ticks(services)
    hold = holds.current(services.ledger)
    assert hold is not None
    assert "version 77" in hold.reason
    assert services.server.live() == 77


def test_a_running_switch_is_not_taken_for_a_persons(
    services: Services,
) -> None:
    lease = lease_of(services.ledger)
    release_rows.add(
        services.ledger,
        manifest(4, archive=release_rows.release(services.ledger, 3).manifest.archive),
        lease=lease,
    )
    reconciler = ticks(services, 1)
    switches.begin_publish(services.ledger, 4, expected=3, lease=lease)
    services.server.set_live(2)  # the server is switched before the ledger records it
    reconciler.tick()
    assert holds.current(services.ledger) is None


def test_a_restart_completes_a_switch_that_was_begun(services: Services) -> None:
    switches.begin_rollback(services.ledger, 2, reason="x")
    ticks(services, 1)
    assert (switches.serving(services.ledger).live, services.server.live()) == (2, 2)
    assert switches.under_way(services.ledger) is None


def test_a_switch_whose_process_died_is_completed_after_a_while(services: Services) -> None:
    clock = SteppedClock()
    reconciler = Reconciler(services, monotonic=clock)
    reconciler.tick()
    switches.begin_rollback(services.ledger, 2, reason="x")
    for now in (1000.0, 1009.0):
        clock.now = now
        reconciler.tick()
        assert switches.under_way(services.ledger) is not None
    clock.now = 1011.0
    reconciler.tick()
    assert (switches.serving(services.ledger).live, services.server.live()) == (2, 2)


@pytest.mark.parametrize(
    "begin", [begin_rollback, switches.begin_promote], ids=["rollback", "promote"]
)
def test_a_command_loading_a_version_gets_a_minute(
    services: Services, begin: Callable[[Ledger, int], Switch]
) -> None:
    services.server.unregister(1)
    clock = SteppedClock()
    reconciler = Reconciler(services, monotonic=clock)
    begin(services.ledger, 1)
    for clock.now in (1000.0, 1011.0, 1059.0):  # the first look of a new worker, too
        reconciler.tick()
    assert "register 1" not in server_of(services).log
    clock.now = 1060.0
    reconciler.tick()
    assert (switches.serving(services.ledger).live, services.server.live()) == (1, 1)


def test_where_nothing_answers_nobody_is_waited_for(services: Services) -> None:
    clock = SteppedClock()
    reconciler = Reconciler(services, monotonic=clock)
    reconciler.tick()
    server_of(services).restart_empty()
    begin_rollback(services.ledger, 1)
    for clock.now in (1001.0, 1011.0):
        reconciler.tick()
    assert (switches.serving(services.ledger).live, services.server.live()) == (1, 1)


def test_the_workers_own_unfinished_switch_is_finished(
    services: Services,
) -> None:
    services.server.unregister(1)
    switches.begin_restore(services.ledger, 1, expected=3)
    ticks(services, 1)
    assert (switches.serving(services.ledger).live, services.server.live()) == (1, 1)


def test_without_the_live_archive_the_previous_one_serves(services: Services) -> None:
    server_of(services).restart_empty()
    services.artifacts.delete(release_rows.release(services.ledger, 3).manifest.archive)
    ticks(services)
    assert (switches.serving(services.ledger).live, services.server.live()) == (2, 2)
    assert metric_rows.stored_metrics(services.ledger)["missing_archives"] >= 1
    assert release_rows.release(services.ledger, 3).rolled_back_at is None  # nobody judged it bad


@pytest.mark.parametrize("damage", [b"not what was put", b""], ids=["other bytes", "empty"])
def test_with_a_damaged_archive_the_previous_one_serves(
    services: Services, tmp_path: Path, damage: bytes
) -> None:
    server_of(services).restart_empty()
    (tmp_path / "archives" / release_rows.release(services.ledger, 3).manifest.archive).write_bytes(
        damage
    )
    asked = record_asked(services)
    ticks(services)
    assert (switches.serving(services.ledger).live, services.server.live()) == (2, 2)
    assert 3 not in asked
    assert metric_rows.stored_metrics(services.ledger)["missing_archives"] >= 1


def test_an_archive_replaced_with_its_digest_is_refused(services: Services, tmp_path: Path) -> None:
    """Somebody who can write to the store can change both; the ledger has the true digest."""
    server_of(services).restart_empty()
    name, other = (
        release_rows.release(services.ledger, version).manifest.archive for version in (3, 1)
    )
    services.artifacts.fetch(other, tmp_path / "other")
    services.artifacts.delete(name)
    services.artifacts.put(name, tmp_path / "other")
    asked = record_asked(services)
    ticks(services)
    assert (switches.serving(services.ledger).live, services.server.live()) == (2, 2)
    assert 3 not in asked


def test_when_no_archive_is_left_it_says_so(services: Services) -> None:
    server_of(services).restart_empty()
    for one in release_rows.newest_releases(services.ledger):
        services.artifacts.delete(one.manifest.archive)
    with pytest.raises(ServerRefused, match="no release that may answer has an archive"):
        restore(services)
    assert switches.serving(services.ledger).live == 3


def test_a_failing_live_version_is_tried_three_times(
    services: Services,
) -> None:
    server_of(services).restart_empty()
    server_of(services).broken.add(3)
    reconciler = Reconciler(services, monotonic=SteppedClock())
    for _ in range(2):
        reconciler.tick()
        assert switches.serving(services.ledger).live == 3
    reconciler.tick()
    assert (switches.serving(services.ledger).live, services.server.live()) == (2, 2)


def test_a_failing_candidate_is_left_for_half_a_minute(services: Services) -> None:
    server_of(services).restart_empty()
    services.artifacts.delete(release_rows.release(services.ledger, 2).manifest.archive)
    reconciler = ticks(services, 5)
    assert [found.version for found in services.server.versions()] == [3]
    assert reconciler is not None


def test_a_newer_default_set_by_hand_is_a_held_promotion(
    services: Services,
) -> None:
    release.rollback(services.ledger, services.server, 2, by="x")
    holds.resume(services.ledger)
    services.server.set_live(3)
    ticks(services)
    live, hold = release_rows.live(services.ledger), holds.current(services.ledger)
    assert live is not None
    assert hold is not None
    assert (live.version, hold.reason) == (3, "promoted from version 2 to 3 on the server itself")
    assert release_rows.release(services.ledger, 2).rolled_back_at is None  # nobody judged it bad
