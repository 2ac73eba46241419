"""What a cycle deletes of old releases and journal segments, and what it keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cron.cycle.cycle import run_cycle
from cron.cycle.retention import tidy
from cron.ledger import release_rows, run_rows
from cron.lineage import Lease, Reason
from cron.services import Services
from tests.workshop import (
    event_records,
    send,
)


def test_old_releases_are_let_go_but_not_what_is_needed(services: Services, lease: Lease) -> None:
    few = replace(
        services,
        settings=replace(
            services.settings,
            release=replace(services.settings.release, keep_registered=2, keep_releases=2),
        ),
    )
    for number in range(3):
        send(few, event_records(401 + 40 * number, 440 + 40 * number))
        assert run_cycle(few, lease).outcome == "published"
    assert [found.version for found in few.server.versions()] == [3, 4]
    kept = [name for name in few.artifacts.names() if name.endswith(".mar")]
    assert [name.split("-")[1] for name in kept] == ["1", "3", "4"]  # 1 is the anchor
    assert [
        one.version for one in release_rows.newest_releases(few.ledger) if one.archive_gone
    ] == [0, 2]
    left = {
        name.split("-")[1]
        for name in few.artifacts.names()
        if name.startswith(("manifests/", "states/"))
    }
    assert left == {"1", "3", "4"}
    assert len(list(few.paths.runs.iterdir())) == 3
    assert {path.name.split("-")[1] for path in few.paths.bundles.iterdir()} <= {"1", "3", "4"}


def test_the_next_turn_deletes_what_a_crash_left(services: Services, lease: Lease) -> None:
    """Marked, then killed before the files were deleted."""
    manifest = release_rows.release(services.ledger, 0).manifest
    assert release_rows.mark_archive_gone(services.ledger, 0, lease=lease)
    assert manifest.archive in services.artifacts.names()
    tidy(services, lease)
    assert not [name for name in services.artifacts.names() if "rec-0-" in name]
    assert release_rows.release(services.ledger, 1).manifest.archive in services.artifacts.names()


def test_segments_a_kept_release_needs_are_not_dropped(services: Services, lease: Lease) -> None:
    """Two stay loaded, four are kept, and a person may go back to any of those."""
    short = replace(
        services,
        settings=replace(
            services.settings, release=replace(services.settings.release, keep_journal_days=1.0)
        ),
    )
    for number in range(3):
        send(short, event_records(401 + 40 * number, 440 + 40 * number))
        assert run_cycle(short, lease).outcome == "published"
    kept = [
        one for one in release_rows.kept_releases(short.ledger) if one.manifest.mode != "baseline"
    ]
    assert [one.version for one in kept] == [1, 2, 3, 4]
    assert short.journal.first_seq == kept[0].manifest.trained_through + 1


def test_files_of_ended_trainings_are_deleted(
    services: Services, lease: Lease, tmp_path: Path
) -> None:
    """What travelled to other machines: a snapshot, or the checkpoint of a run that failed."""
    (tmp_path / "checkpoint").write_bytes(b"weights")
    services.artifacts.put("trainings/1/checkpoint/1.safetensors", tmp_path / "checkpoint")
    run = run_rows.start(
        services.ledger,
        "full",
        reason=Reason(name="asked_for", ok=True, text="asked for"),
        supersedes=None,
        lease=lease,
    )
    open_name = f"trainings/{run.run_id}/snapshot/events.parquet"
    services.artifacts.put(open_name, tmp_path / "checkpoint")
    tidy(services, lease)
    assert services.artifacts.names("trainings/") == (open_name,)
