"""Rollback and promotion: one call that needs only the ledger and the server."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from cron.errors import (
    ArtifactMissing,
    NothingToRollBackTo,
    Overtaken,
    RolledBackMeanwhile,
    ServerRefused,
    SwitchPending,
    UnknownVersion,
)
from cron.ledger import holds, metric_rows, release_rows, switches
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.ports import ModelServer
from cron.services import Services
from cron.serving import release
from cron.serving.reconcile import Reconciler
from cron.serving.restore import kept_loaded, restore
from tests.releases import manifest, publish_releases
from tests.shelf import open_shelf
from tests.workshop import close_workshop, lease_of, server_of


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Versions 1, 2 and 3 were published; 2 and 3 are loaded, 3 is live."""
    services = open_shelf(tmp_path, 1, 2, 3)
    services.server.unregister(1)
    yield services
    close_workshop(services)


def test_a_rollback_is_instant_and_pauses_publishing(services: Services, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "archives")
    (tmp_path / "events.db").unlink()
    took_s = []
    for _ in range(5):  # a busy machine may hold one of them up
        back = release.rollback(services.ledger, services.server, None, by="an operator")
        assert (back.version, services.server.live()) == (2, 2)
        hold = holds.current(services.ledger)
        assert hold is not None
        assert hold.reason == "rolled back from version 3 to 2 by an operator"
        took_s.append(metric_rows.stored_metrics(services.ledger)["rollback_seconds"])
        release.promote(services.ledger, services.server, 3)
    assert min(took_s) < 1.0


def test_a_version_that_is_not_loaded_is_loaded_from_the_store(services: Services) -> None:
    with pytest.raises(ServerRefused):
        release.rollback(services.ledger, services.server, 1, by="x")
    assert services.server.live() == 3
    assert (
        release.rollback(
            services.ledger, services.server, 1, by="x", artifacts=lambda: services.artifacts
        ).version
        == 1
    )
    assert services.server.live() == 1


def test_an_archive_that_is_gone_is_named_and_live_stays(services: Services) -> None:
    archive = release_rows.release(services.ledger, 1).manifest.archive
    services.artifacts.delete(archive)
    with pytest.raises(ArtifactMissing, match=archive):
        release.rollback(
            services.ledger, services.server, 1, by="x", artifacts=lambda: services.artifacts
        )
    assert (
        services.server.live(),
        switches.serving(services.ledger).live,
        switches.under_way(services.ledger),
    ) == (
        3,
        3,
        None,
    )
    assert (
        holds.current(services.ledger) is not None
    )  # the person wanted the model gone: nothing new is published over it


def test_rolling_back_twice_goes_further_back(services: Services) -> None:
    for expected in (2, 1):
        assert (
            release.rollback(
                services.ledger, services.server, None, by="x", artifacts=lambda: services.artifacts
            ).version
            == expected
        )
    with pytest.raises(NothingToRollBackTo, match="version 1"):
        release.rollback(services.ledger, services.server, None, by="x")


def test_good_releases_between_stay_rollback_candidates(
    services: Services,
) -> None:
    release.rollback(
        services.ledger, services.server, 1, by="x", artifacts=lambda: services.artifacts
    )
    assert [one.version for one in release_rows.rollback_candidates(services.ledger)] == [2]


@pytest.fixture
def jumped_shelf(tmp_path: Path) -> Iterator[Services]:
    """Of versions 1 to 6 a person went back from 6 to 3; 4 and 5 are loaded still."""
    services = open_shelf(tmp_path / "jumped", 1, 2, 3, 4, 5, 6)
    release.rollback(services.ledger, services.server, 3, by="x")
    for version in (1, 2):
        services.server.unregister(version)
    yield services
    close_workshop(services)


def test_releases_a_person_skipped_are_not_kept_loaded(jumped_shelf: Services) -> None:
    assert [one.version for one in release_rows.rollback_candidates(jumped_shelf.ledger)] == [
        2,
        1,
        5,
        4,
    ]
    assert [one.version for one in kept_loaded(jumped_shelf)] == [3, 2]
    assert (
        release.rollback(
            jumped_shelf.ledger,
            jumped_shelf.server,
            None,
            by="x",
            artifacts=lambda: jumped_shelf.artifacts,
        ).version
        == 2
    )


@pytest.mark.parametrize("is_gone", [False, True], ids=["reloads", "archive gone"])
def test_releases_a_person_skipped_never_serve_instead(
    jumped_shelf: Services, is_gone: bool
) -> None:
    server, now = server_of(jumped_shelf), [0.0]
    server.lost, server.log[:] = {3}, []
    if is_gone:
        jumped_shelf.artifacts.delete(release_rows.release(jumped_shelf.ledger, 3).manifest.archive)
    reconciler = Reconciler(jumped_shelf, monotonic=lambda: now[0])
    for now[0] in (0.0, 30.0, 31.0):
        reconciler.tick()
    assert not {"set_live 4", "set_live 5"} & set(server.log)
    assert switches.serving(jumped_shelf.ledger).live == (2 if is_gone else 3)


@pytest.mark.parametrize(
    "num_left", [2, 1, 0], ids=["the latest before it", "an earlier one", "none is left"]
)
def test_on_an_emptied_server_only_an_earlier_release_stands_in(
    jumped_shelf: Services, num_left: int
) -> None:
    server_of(jumped_shelf).restart_empty()
    for version in (3, 2, 1)[: 3 - num_left]:
        jumped_shelf.artifacts.delete(
            release_rows.release(jumped_shelf.ledger, version).manifest.archive
        )
    reconciler = Reconciler(jumped_shelf, monotonic=lambda: 0.0)
    for _ in range(5):
        reconciler.tick()
    assert switches.serving(jumped_shelf.ledger).live == (num_left or 3)
    assert jumped_shelf.server.live() == (num_left or None)


def test_without_a_hold_a_newer_one_answers_rather_than_nobody(jumped_shelf: Services) -> None:
    holds.resume(jumped_shelf.ledger)
    server_of(jumped_shelf).restart_empty()
    for version in (1, 2, 3):
        jumped_shelf.artifacts.delete(
            release_rows.release(jumped_shelf.ledger, version).manifest.archive
        )
    restore(jumped_shelf)
    assert (switches.serving(jumped_shelf.ledger).live, jumped_shelf.server.live()) == (5, 5)


def test_a_plain_rollback_never_goes_forward(
    services: Services,
) -> None:
    release.rollback(services.ledger, services.server, 2, by="x")
    release.promote(services.ledger, services.server, 3)
    release.rollback(
        services.ledger, services.server, 1, by="x", artifacts=lambda: services.artifacts
    )
    with pytest.raises(NothingToRollBackTo, match="no earlier good release than version 1"):
        release.rollback(services.ledger, services.server, None, by="x")
    assert services.server.live() == 1


def test_promotion_goes_forward_again_and_keeps_the_hold(services: Services) -> None:
    release.rollback(services.ledger, services.server, None, by="x")
    assert release.promote(services.ledger, services.server, 3).version == 3
    assert services.server.live() == 3
    assert holds.current(services.ledger) is not None


def test_unknown_versions_are_named_with_those_that_exist(services: Services) -> None:
    release_rows.add(
        services.ledger, manifest(4), lease=lease_of(services.ledger)
    )  # put, never live
    for version in (4, 99):
        with pytest.raises(UnknownVersion, match="existing versions: 1, 2, 3"):
            release.rollback(services.ledger, services.server, version, by="x")
        with pytest.raises(UnknownVersion, match="existing versions: 1, 2, 3"):
            release.promote(services.ledger, services.server, version)
    assert holds.current(services.ledger) is None


def test_a_rollback_waits_for_a_server_that_is_down(
    services: Services,
) -> None:
    server_of(services).is_down = True
    with pytest.raises(
        SwitchPending,
        match=r"version 2 is recorded and publishing is paused.*as soon as the server answers",
    ):
        release.rollback(services.ledger, services.server, 2, by="x")
    server_of(services).is_down = False
    release.finish_switch(services.ledger, services.server)
    assert (services.server.live(), switches.serving(services.ledger).live) == (2, 2)


def test_a_rollback_overtakes_an_interrupted_publication(
    services: Services,
) -> None:
    lease = lease_of(services.ledger)
    release_rows.add(services.ledger, manifest(4), lease=lease)
    switches.begin_publish(services.ledger, 4, expected=3, lease=lease)
    server_of(services).is_down = True
    for _ in range(2):  # an impatient person asks twice, and gets the same
        with pytest.raises(
            SwitchPending,
            match=r"version 2 is recorded and publishing is paused.*as soon as the server answers",
        ):
            release.rollback(services.ledger, services.server, None, by="x")
    assert holds.current(services.ledger) is not None
    server_of(services).is_down = False
    release.finish_switch(services.ledger, services.server)
    assert (services.server.live(), switches.serving(services.ledger).live) == (2, 2)


def test_an_overtaken_switch_sets_the_later_decision(
    services: Services,
) -> None:
    """A person rolls back while the worker publishes; the worker's call comes last."""
    lease = lease_of(services.ledger)
    release_rows.add(services.ledger, manifest(4), lease=lease)
    late = switches.begin_publish(services.ledger, 4, expected=3, lease=lease)
    assert release.rollback(services.ledger, services.server, 2, by="x").version == 2
    server_of(services).set_live(3)  # as if the worker's call arrived now
    assert not release.switch_server(services.ledger, services.server, late)
    assert (services.server.live(), switches.serving(services.ledger).live) == (2, 2)


def test_many_people_at_once_end_in_one_state(services: Services) -> None:

    def promote(version: int) -> None:
        with suppress(Overtaken):
            release.promote(services.ledger, services.server, version)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(promote, [2, 3, 2, 3, 2, 3] * 3))
    serving = switches.serving(services.ledger)
    assert serving.switch is None
    assert services.server.live() == serving.live


def test_two_plain_rollbacks_at_once_are_one_step(
    services: Services,
) -> None:
    asked_at = services.ledger.now()
    release.rollback(services.ledger, services.server, None, by="the faster one")
    with pytest.raises(
        RolledBackMeanwhile,
        match=r"version 3 was rolled back by somebody else.*version 2 is live.*rollback VERSION",
    ):
        release.rollback(
            services.ledger,
            services.server,
            None,
            by="the slower one",
            artifacts=lambda: services.artifacts,
            seen=switches.Seen(at=asked_at),
        )
    assert (switches.serving(services.ledger).live, services.server.live()) == (2, 2)


def test_many_bare_rollbacks_at_once_go_one_step_back(services: Services) -> None:
    together, seen = threading.Barrier(6), switches.Seen(at=services.ledger.now())

    def roll_back(name: int) -> int | None:
        together.wait(120)
        try:
            return release.rollback(
                services.ledger,
                services.server,
                None,
                by=str(name),
                artifacts=lambda: services.artifacts,
                seen=seen,  # all at once, also where a thread comes later
            ).version
        except RolledBackMeanwhile:
            return None

    with ThreadPoolExecutor(6) as pool:
        told = set(pool.map(roll_back, range(6)))
    assert told in ({2}, {2, None})
    assert (
        switches.serving(services.ledger).live,
        services.server.live(),
        switches.under_way(services.ledger),
    ) == (
        2,
        2,
        None,
    )


def test_a_bare_rollback_that_ends_anothers_goes_no_further_back(services: Services) -> None:
    """The other one's process hangs at the server, and this one carries its switch out first."""
    switches.begin_rollback(services.ledger, 2, reason="the other one")
    with pytest.raises(RolledBackMeanwhile):
        release.rollback(
            services.ledger, services.server, None, by="x", artifacts=lambda: services.artifacts
        )
    assert (switches.serving(services.ledger).live, services.server.live()) == (2, 2)


def test_a_rollback_considers_a_release_published_meanwhile(
    services: Services,
) -> None:
    lease = lease_of(services.ledger)

    class PublishesFirst(Ledger):
        @contextmanager
        def write(self, lease_to_check: Lease | None = None) -> Iterator[sa.Connection]:
            if not release_rows.is_release(services.ledger, 4):
                publish_releases(services.ledger, lease, 4)
            with super().write(lease_to_check) as connection:
                yield connection

    ledger = PublishesFirst(services.ledger.engine)
    done = release.rollback(ledger, services.server, None, by="x")
    assert (done.version, done.was, services.server.live()) == (3, 4, 3)


@pytest.mark.parametrize(
    "change",
    [release.promote, lambda *services: release.rollback(*services, by="x")],
    ids=["promote", "rollback"],
)
def test_a_change_that_was_overtaken_says_what_is_live(
    services: Services, change: Callable[[Ledger, ModelServer, int], object]
) -> None:
    server = server_of(services)
    set_live, overtaken = server.set_live, [False]

    def overtake(version: int) -> None:
        if version == 2 and not overtaken[0]:
            overtaken[0] = True
            release.promote(services.ledger, services.server, 3)
        set_live(version)

    server.set_live = overtake  # type: ignore[method-assign]
    with pytest.raises(
        Overtaken,
        match="change to version 2 was overtaken by a later decision: version 3 is live now",
    ):
        change(services.ledger, services.server, 2)
    assert (switches.serving(services.ledger).live, services.server.live()) == (3, 3)


def test_what_a_rollback_loads_is_neither_torch_nor_numpy() -> None:
    heavy = "{'torch', 'transformers', 'numpy', 'pandas', 'pyarrow', 'apscheduler'}"
    program = (
        "import sys, cron.serving.release, cron.ledger.ledger, cron.ledger.switches; "
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
