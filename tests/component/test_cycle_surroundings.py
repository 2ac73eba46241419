"""The cycle when its surroundings change: memory, a person's decision, an upgrade."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from cron.cycle.cycle import run_cycle
from cron.cycle.release_files import bundle_of
from cron.cycle.retention import tidy
from cron.errors import Unavailable
from cron.journal.follow import follow_once
from cron.journal.follow_items import ItemFollower
from cron.ledger import holds, release_rows, run_rows, switches
from cron.lineage import Lease, Switch, SwitchKind
from cron.ports import START, Cursor, TrainLauncher
from cron.services import Services
from cron.serving import release
from recommender.config import BUNDLE_FORMAT
from tests.fakes import FakeServer
from tests.releases import reason
from tests.workshop import event_records, live_version, send, server_of
from trainer.archive import bundle_digest, pack
from trainer.config import TrainConfig
from trainer.machine.durable_files import sha256_of


def test_nothing_is_trained_for_which_there_is_no_memory(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 480))
    server = server_of(services)
    server.left_bytes = 999
    run = run_cycle(services, lease)
    assert (run.outcome, run.version, live_version(services)) == ("failed", None, 1)
    assert set(run.seconds) == {"plan", "snapshot"}
    assert run.reasons[-1].name == "NoRoom"
    assert "lower release.keep_registered" in run.reasons[-1].text
    server.left_bytes = 1_000
    assert run_cycle(services, lease).outcome == "published"
    assert live_version(services) == 2


class MemoryUsingLauncher:
    """A launcher during whose training the server runs out of memory."""

    def __init__(self, launcher: TrainLauncher, server: FakeServer) -> None:
        self._launcher, self._server = launcher, server
        self.stop, self.cancel = launcher.stop, launcher.cancel

    def train(self, snapshot: Path, config: TrainConfig, out: Path, *, limit_s: float) -> Path:
        self._server.left_bytes = 999
        return self._launcher.train(snapshot, config, out, limit_s=limit_s)


def test_without_memory_a_version_is_never_registered(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 480))
    server = server_of(services)
    launcher = MemoryUsingLauncher(services.launcher, server)
    run = run_cycle(replace(services, launcher=launcher), lease)
    assert (run.outcome, run.version, live_version(services)) == ("failed", 2, 1)
    assert run.reasons[-1].name == "NoRoom"
    assert [found.version for found in server.versions()] == [0, 1]


@pytest.mark.parametrize("why", ["paused", "too few events", "TorchServe is away"])
def test_the_log_is_trimmed_when_nothing_is_published_too(
    services: Services, lease: Lease, why: str
) -> None:
    send(services, event_records(401, 480 if why == "paused" else 420))
    items = ItemFollower(
        item_records=services.item_records, counts=lambda event: True, now=services.ledger.now
    )
    while follow_once(services.log, services.histories, items=items):
        pass
    if why == "paused":
        holds.pause(services.ledger, "a test")
    if why == "TorchServe is away":
        switches.begin_promote(services.ledger, 0)  # which the turn would have to carry out
        server_of(services).is_down = True
    assert services.log.backlog(services.log.give_up(START)) > 0
    with pytest.raises(Unavailable) if server_of(services).is_down else nullcontext():
        assert run_cycle(services, lease).outcome == "skipped"
    assert services.log.backlog(services.log.give_up(START)) == 0


def test_item_records_without_a_place_do_not_keep_the_log(services: Services, lease: Lease) -> None:
    """They are filled from the journal, which has what is trimmed."""
    send(services, event_records(401, 420))
    while follow_once(services.log, services.histories):
        pass
    assert services.item_records.cursor() == START
    assert run_cycle(services, lease).outcome == "skipped"
    assert services.log.backlog(services.log.give_up(START)) == 0


def test_old_events_go_at_a_turn_that_is_skipped(services: Services, lease: Lease) -> None:
    """A shop that closed has no more runs, and its users' events must go all the same."""
    for number in range(4):
        send(services, event_records(401 + 40 * number, 440 + 40 * number))
        assert run_cycle(services, lease).outcome == "published"
    assert services.journal.first_seq == 1
    release_settings = replace(services.settings.release, keep_journal_days=1.0)
    short = replace(services, settings=replace(services.settings, release=release_settings))
    assert run_cycle(short, lease).outcome == "skipped"
    kept = [
        one for one in release_rows.kept_releases(short.ledger) if one.manifest.mode != "baseline"
    ]
    assert short.journal.first_seq == kept[0].manifest.trained_through + 1


def test_of_the_caches_of_texts_those_used_last_stay(services: Services, lease: Lease) -> None:
    """A trained encoder has a new digest after each full retrain; a killed trainer leaves more."""
    (ours,) = services.paths.texts.iterdir()
    for number in range(6):
        other = services.paths.texts / f"{number}.safetensors"
        other.write_bytes(b"")
        os.utime(other, (number, number))
    (services.paths.texts / "tmpabc.tmp").write_bytes(b"half")
    tidy(services, lease)
    assert {path.name for path in services.paths.texts.iterdir()} == {
        ours.name,
        "3.safetensors",
        "4.safetensors",
        "5.safetensors",
    }
    shutil.rmtree(services.paths.texts)
    tidy(services, lease)


def test_collecting_goes_on_when_trimming_is_refused(
    services: Services, lease: Lease, caplog: pytest.LogCaptureFixture
) -> None:
    """As Kafka does whose user may not delete."""
    send(services, event_records(401, 480))

    class Untrimmed:
        def __getattr__(self, name: str) -> object:
            return getattr(services.log, name)

        def trim(self, *before: Cursor) -> None:
            raise Unavailable("the event log", where="here", why="the test refuses")

    untrimmed = replace(services, log=Untrimmed())  # type: ignore[arg-type]
    assert run_cycle(untrimmed, lease).outcome == "published"
    assert "log not trimmed" in [record.getMessage() for record in caplog.records]


class Person(threading.Event):
    """A `stop` in whose waits a person's process goes on with what it does."""

    def __init__(self, goes_on: Iterable[Callable[[], object]]) -> None:
        super().__init__()
        self._goes_on = list(goes_on)

    @property
    def is_done(self) -> bool:
        return not self._goes_on

    def wait(self, timeout: float | None = None) -> bool:
        if self._goes_on:
            self._goes_on.pop(0)()
        return self.is_set()


@pytest.mark.parametrize("kind", ["rollback", "promote"])
def test_a_person_who_is_loading_his_version_is_let_finish(
    services: Services, lease: Lease, kind: SwitchKind
) -> None:
    services.server.unregister(0)
    begun = begin(services, kind)
    archive = release_rows.release(services.ledger, 0).manifest.archive
    person = Person([lambda: None, lambda: services.server.register(0, archive)])
    run_cycle(replace(services, stop=person), lease)
    assert person.is_done
    assert server_of(services).log.count("register 0") == 1
    release.switch_server(services.ledger, services.server, begun)  # it goes on, and finds it done
    assert live_version(services) == 0


@pytest.mark.parametrize("kind", ["rollback", "promote"])
def test_what_a_person_left_begun_is_carried_out_after_a_while(
    services: Services, lease: Lease, kind: SwitchKind
) -> None:
    """A single turn (`run-once`) has no other process to do it."""
    services.server.unregister(0)
    begin(services, kind)
    run_cycle(replace(services, stop=Person(())), lease)
    assert live_version(services) == 0


def test_a_worker_that_is_asked_to_end_waits_for_no_person(
    services: Services, lease: Lease
) -> None:
    services.server.unregister(0)
    begun = begin(services, "promote")
    services.stop.set()
    run_cycle(services, lease)
    assert switches.under_way(services.ledger) == begun


def begin(services: Services, kind: SwitchKind) -> Switch:
    """Begin a rollback to version 0 like a person's process; nothing is published afterwards."""
    holds.pause(services.ledger, "x")
    if kind == "promote":
        return switches.begin_promote(services.ledger, 0)
    return switches.begin_rollback(services.ledger, 0, reason="x")


def publish_in_older_format(services: Services, lease: Lease) -> None:
    """Publish the live model again, in a bundle as an older version of this program wrote it."""
    ledger = services.ledger
    live = release_rows.live(ledger)
    assert live is not None
    run = run_rows.start(
        ledger, "full", reason=reason("x", ok=True), supersedes=live.version, lease=lease
    )
    version = run_rows.allot_version(ledger, run.run_id, lease=lease)
    bundle = services.paths.var / "older_format"
    shutil.copytree(bundle_of(services.artifacts, services.paths.bundles, live.manifest), bundle)
    content = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps({**content, "format": BUNDLE_FORMAT - 1}))
    mar = pack(bundle=bundle, version=version, out=services.paths.var / "packed")
    services.artifacts.put(mar.name, mar)
    manifest = msgspec.structs.replace(
        live.manifest,
        version=version,
        run_id=run.run_id,
        anchor=version,
        supersedes=live.version,
        archive=mar.name,
        archive_sha256=sha256_of(mar),
        bundle_digest=bundle_digest(bundle),
        bundle_format=BUNDLE_FORMAT - 1,
    )
    release_rows.add(ledger, manifest, lease=lease)
    services.server.register(version, mar.name)
    release.publish(ledger, services.server, version, expected=live.version, lease=lease)
    run_rows.finish(ledger, run.run_id, "published", reasons=[], metrics={}, lease=lease)


def test_a_changed_bundle_format_leads_to_a_full_retrain(services: Services, lease: Lease) -> None:
    publish_in_older_format(services, lease)
    send(services, event_records(401, 480))
    full = run_cycle(services, lease)
    assert (full.mode, full.outcome, live_version(services)) == ("full", "published", 3)
    names = [reason.name for reason in full.reasons]
    assert names[0] == "format_changed"
    assert {"ndcg_live", "ndcg_anchor"}.isdisjoint(names), "there was nothing to compare it with"
    send(services, event_records(481, 560))
    update = run_cycle(services, lease)
    assert (update.mode, update.outcome, live_version(services)) == ("update", "published", 4)
