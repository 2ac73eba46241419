"""The cycle on planted data: real back ends, a real trainer, a fake server."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cron.cycle.cycle import run_cycle
from cron.cycle.run_plan import make_plan
from cron.cycle.stages import folder_of
from cron.errors import LeaseLost, Stopped, Unavailable
from cron.journal.collect import collect
from cron.ledger import holds, journal_rows, metric_rows, release_rows, run_rows
from cron.lineage import Lease, manifest_from_json, trained_ranges
from cron.services import Services
from cron.serving import release
from recommender.records.events import Item
from tests.releases import reason
from tests.workshop import (
    HereLauncher,
    close_workshop,
    event_records,
    lease_of,
    live_version,
    open_workshop,
    send,
    server_of,
)

NEW_ITEM = Item(
    event_id="item:new",
    item_id="new",
    title="A new thing",
    text="even calm blue",
    at=datetime(2026, 2, 1, tzinfo=UTC),
)


def test_a_baseline_then_a_full_retrain(services: Services) -> None:
    first, second = release_rows.newest_releases(services.ledger)
    assert (
        first.version,
        first.manifest.mode,
        first.manifest.target_range,
        first.manifest.anchor,
    ) == (0, "baseline", None, None)
    assert (
        second.version,
        second.manifest.mode,
        second.manifest.parent,
        second.manifest.anchor,
    ) == (1, "full", None, 1)
    assert second.manifest.target_range == (1, 440)
    assert live_version(services) == 1
    assert first.manifest.rating_scale == (2.0, 5.0), (
        "a baseline counts what people did, though it trains on nothing"
    )
    run = run_rows.newest(services.ledger)[0]
    assert set(run.seconds) == {
        "plan",
        "snapshot",
        "train",
        "judge",
        "archive",
        "put",
        "register",
        "probe",
        "set_live",
    }
    assert "golden answers equal the offline ones" in " ".join(
        reason.text for reason in run.reasons
    )


def test_nothing_to_collect_is_a_skipped_turn(tmp_path: Path) -> None:
    services = open_workshop(tmp_path)
    runs = [run_cycle(services, lease_of(services.ledger)) for _ in range(2)]
    assert [(run.outcome, run.reasons[0].name, run.count) for run in runs] == [
        ("skipped", "nothing_collected", 1),
        ("skipped", "nothing_collected", 2),
    ]
    close_workshop(services)


def test_an_update_trains_on_the_range_after_the_live_release(
    services: Services, lease: Lease
) -> None:
    send(services, event_records(401, 480))
    run = run_cycle(services, lease)
    assert (run.mode, run.outcome, run.version, run.supersedes) == ("update", "published", 2, 1)
    manifest = release_rows.release(services.ledger, 2).manifest
    assert (manifest.parent, manifest.anchor, manifest.target_range) == (1, 1, (441, 520))
    manifests = {one.version: one.manifest for one in release_rows.newest_releases(services.ledger)}
    assert trained_ranges(manifests, 2) == ((1, 440), (441, 520))
    assert live_version(services) == 2


def test_the_store_holds_archive_state_and_manifest(
    services: Services, lease: Lease, tmp_path: Path
) -> None:
    manifest = release_rows.release(services.ledger, 1).manifest
    stem = manifest.archive.removesuffix(".mar")
    assert manifest.archive_sha256.startswith(stem.removeprefix("rec-1-"))
    assert {f"{stem}.mar", f"states/{stem}.safetensors", f"manifests/{stem}.json"} <= set(
        services.artifacts.names()
    )
    services.artifacts.fetch(f"manifests/{stem}.json", tmp_path / "manifest.json")
    assert manifest_from_json((tmp_path / "manifest.json").read_text()) == manifest


def test_too_few_events_wait_and_are_not_lost(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 420))
    skipped = run_cycle(services, lease)
    assert [reason.text for reason in skipped.reasons] == ["not enough new events: 20 of 40"]
    send(services, event_records(415, 440))  # six of them again
    assert run_cycle(services, lease).outcome == "published"
    assert release_rows.release(services.ledger, 2).manifest.target_range == (441, 480)


def test_a_new_item_is_published_without_training(services: Services, lease: Lease) -> None:
    send(services, [NEW_ITEM])
    run = run_cycle(services, lease)
    assert (run.mode, run.outcome) == ("items", "published")
    manifest = release_rows.release(services.ledger, 2).manifest
    assert (
        manifest.parent,
        manifest.target_range,
        manifest.trained_through,
        manifest.items_through,
    ) == (1, None, 440, 441)
    answer = services.server.predict(None, {"similar_to": "new", "k": 3}, timeout_s=9)
    assert isinstance(answer, dict)
    assert len(answer["items"]) == 3
    send(services, event_records(401, 450))
    assert run_cycle(services, lease).outcome == "published"  # its optimiser state was kept
    assert release_rows.release(services.ledger, 3).manifest.target_range == (441, 491)


def test_a_capped_run_takes_the_oldest_events_first(services: Services, lease: Lease) -> None:
    worker = replace(services.settings.worker, max_events_per_run=50)
    capped = replace(services, settings=replace(services.settings, worker=worker))
    send(capped, event_records(401, 500))
    assert [run_cycle(capped, lease).outcome for _ in range(3)] == [
        "published",
        "published",
        "skipped",
    ]
    assert [
        release_rows.release(capped.ledger, version).manifest.target_range for version in (2, 3)
    ] == [
        (441, 490),
        (491, 540),
    ]


def test_a_full_retrain_on_demand_is_its_own_anchor(services: Services, lease: Lease) -> None:
    run = run_cycle(services, lease, force_full=True)
    assert (run.mode, run.outcome) == ("full", "published")
    manifest = release_rows.release(services.ledger, 2).manifest
    assert (manifest.parent, manifest.anchor, manifest.target_range) == (None, 2, (1, 440))


def test_an_excluded_range_is_never_trained_on(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 500))
    release.rollback(services.ledger, services.server, None, by="a test")
    release.promote(services.ledger, services.server, 1)
    holds.resume(services.ledger, [(451, 470)])
    assert run_cycle(services, lease).outcome == "published"
    assert release_rows.release(services.ledger, 2).manifest.excluded == ((451, 470),)
    run = run_rows.newest(services.ledger)[0]
    events = pq.read_table(folder_of(services.paths, run) / "snapshot" / "events.parquet")
    seqs = set(events["seq"].to_pylist())
    assert not seqs & set(range(451, 471))
    assert seqs & set(range(471, 541))


def test_three_refused_runs_lead_to_a_full_retrain(services: Services, lease: Lease) -> None:
    strict = replace(
        services,
        settings=replace(
            services.settings, gate=replace(services.settings.gate, popularity_margin=2.0)
        ),
    )
    for number in range(3):
        send(strict, event_records(401 + 40 * number, 440 + 40 * number))
        run = run_cycle(strict, lease)
        assert (run.mode, run.outcome, run.version) == ("update", "refused", None)
        assert any(
            "popularity" in reason.text and "not accepted" in reason.text for reason in run.reasons
        )
        trained = pq.read_table(folder_of(services.paths, run) / "snapshot" / "events.parquet")
        assert max(trained["seq"].to_pylist()) <= 480 + 40 * number
    assert live_version(services) == 1
    again = run_cycle(services, lease)
    assert (again.mode, again.outcome) == ("full", "published")
    assert "3 runs were refused" in again.reasons[0].text
    assert metric_rows.stored_metrics(services.ledger)["refusals_in_a_row"] == 3
    assert run_cycle(services, lease).outcome == "skipped"
    assert metric_rows.stored_metrics(services.ledger)["refusals_in_a_row"] == 0
    assert release_rows.release(services.ledger, 2).manifest.target_range == (1, 560)


def test_new_events_are_scored_before_training_on_them(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 480))
    run = run_cycle(services, lease)
    fresh = [
        row
        for row in metric_rows.newest_quality(services.ledger)
        if row.run_id == run.run_id and row.kind == "fresh"
    ]
    assert [(row.model, row.version, row.num_events) for row in fresh if row.model == "live"] == [
        ("live", 1, 80)
    ]
    assert {
        row.model for row in metric_rows.newest_quality(services.ledger) if row.kind == "panel"
    } >= {
        "candidate",
        "live",
        "popularity",
    }


def test_a_rollback_in_mid_cycle_ends_the_run_and_stands(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 480))

    class RollsBack(HereLauncher):
        def train(self, *arguments: object, **named: object) -> Path:
            release.rollback(services.ledger, services.server, 0, by="somebody")
            return super().train(*arguments, **named)  # type: ignore[arg-type]

    run = run_cycle(replace(services, launcher=RollsBack(services.paths.texts)), lease)
    assert run.outcome == "held"
    assert "rolled back from version 1 to 0 by somebody" in run.reasons[-1].text
    assert live_version(services) == 0
    assert [found.version for found in services.server.versions()] == [
        0
    ]  # 1 is no rollback candidate any more
    assert run_cycle(services, lease).reasons[0].name == "held"


def test_a_promotion_in_mid_cycle_supersedes_the_run(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 480))

    class Promotes(HereLauncher):
        def train(self, *arguments: object, **named: object) -> Path:
            release.promote(services.ledger, services.server, 0)
            return super().train(*arguments, **named)  # type: ignore[arg-type]

    run = run_cycle(replace(services, launcher=Promotes(services.paths.texts)), lease)
    assert run.outcome == "superseded"
    assert live_version(services) == 0
    assert [one.version for one in release_rows.newest_releases(services.ledger)] == [0, 1]


def test_a_run_stays_open_while_the_server_is_down(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 480))
    server_of(services).is_down = True
    with pytest.raises(Unavailable):
        run_cycle(services, lease)
    send(services, event_records(481, 500))
    with pytest.raises(Unavailable):
        run_cycle(services, lease)
    assert services.log.backlog(journal_rows.log_cursor(services.ledger)) == 0, (
        "what comes while the server is away is collected"
    )
    server_of(services).is_down = False
    run = run_cycle(services, lease)
    assert (run.outcome, run.version) == ("published", 2)
    assert release_rows.release(services.ledger, 2).manifest.target_range == (441, 520), (
        "the run is about what there was when it began"
    )
    assert isinstance(services.launcher, HereLauncher)
    assert services.launcher.num_trainings == 1


def test_a_candidate_that_cannot_be_loaded_is_refused(services: Services, lease: Lease) -> None:
    """The archive is damaged in the model store between put and register."""
    send(services, event_records(401, 480))

    class Spoils:
        def __getattr__(self, name: str) -> object:
            return getattr(services.artifacts, name)

        def url(self, name: str, *, sha256: str | None = None) -> str:
            return name.replace("rec-2", "rec-9")

    run = run_cycle(replace(services, artifacts=Spoils()), lease)  # type: ignore[arg-type]
    assert (run.outcome, run.reasons[-1].name) == ("failed", "ServerRefused")
    assert live_version(services) == 1


def test_a_promotion_before_the_plan_does_not_mix_two_lineages(
    services: Services, lease: Lease
) -> None:
    """The run's weights come from the version that was live at its start; so must its range."""
    send(services, event_records(401, 480))
    started = run_rows.start(
        services.ledger, "update", reason=reason("new_events", ok=True), supersedes=1, lease=lease
    )
    release.promote(services.ledger, services.server, 0)
    collect(services.log, services.journal, services.ledger, lease)
    plan = make_plan(services.ledger, services.journal, services.settings, started)
    assert (plan.parent, plan.target_range) == (1, (441, 520))


def test_a_stopped_worker_leaves_the_run_open(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 480))
    services.stop.set()
    with pytest.raises(Stopped):
        run_cycle(services, lease)
    services.stop.clear()
    assert run_cycle(services, lease).outcome == "published"


def test_a_requested_full_retrain_follows_the_open_run(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 480))
    services.stop.set()
    with pytest.raises(Stopped):
        run_cycle(services, lease)
    services.stop.clear()
    run = run_cycle(services, lease, force_full=True)
    assert (run.mode, run.outcome, run.version) == ("full", "published", 3)
    assert [one.mode for one in run_rows.newest(services.ledger)[:2]] == ["full", "update"]


def test_a_worker_that_lost_its_lease_changes_nothing(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 480))
    lease_of(services.ledger)
    with pytest.raises(LeaseLost):
        run_cycle(services, lease)
    assert live_version(services) == 1
    assert journal_rows.last_seq(services.ledger) == 440


@pytest.mark.parametrize("is_another", [False, True], ids=["gone", "another host's were recorded"])
def test_a_run_whose_files_are_gone_is_abandoned_and_repeated(
    services: Services, lease: Lease, is_another: bool
) -> None:
    send(services, event_records(401, 480))
    server_of(services).is_down = True
    with pytest.raises(Unavailable):
        run_cycle(services, lease)
    server_of(services).is_down = False
    if is_another:  # its candidate would be judged, and ours be packed
        open_run = run_rows.open_run(services.ledger)
        assert open_run is not None
        report = folder_of(services.paths, open_run) / "candidate" / "report.json"
        report.write_text(report.read_text() + " ")
    else:
        shutil.rmtree(services.paths.runs)
    run = run_cycle(services, lease)
    assert (run.outcome, run.version) == ("published", 3)  # 2 was given to the abandoned run
    assert [one.outcome for one in run_rows.newest(services.ledger)[:2]] == [
        "published",
        "abandoned",
    ]
