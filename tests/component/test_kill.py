"""kill -9 at every point of a cycle: nothing is lost, nothing is trained on twice."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cron.cycle import release_files
from cron.ledger import (
    journal_rows,
    release_rows,
    run_rows,
    side_rows,
    switches,
    trial_rows,
)
from cron.lineage import trained_ranges
from cron.services import Services
from cron.settings.tree import ReleaseSettings
from cron.snapshot.panel_key import panel_of
from tests.kill_points import EARLY, PRELOADED, SHORT_TRIAL, turn
from tests.workshop import (
    close_workshop,
    event_records,
    item_records,
    open_workshop,
    send,
    server_of,
)

LIMIT_S = 400  # of a turn that takes a second on an idle machine
EACH = 40  # events before each run: as many as an update needs

# The points at which each run of the story is killed, one after another, before it may end. Once
# the switch was begun, a run skips the steps before it, so that the late points need runs of their
# own.
RUNS = (
    (
        *(f"{name}:before" for name in EARLY),
        "begin_publish:before",
        "begin_publish:after",
        "finish_run:before",
    ),
    (*(f"{name}:after" for name in EARLY), "tell_server:before", "finish_run:after"),
    ("tell_server:after", "unregister:before"),
    ("end_switch:before",),
    ("end_switch:after", "unregister:after"),
    ("set_live:before",),
    ("set_live:after",),
)
# those of a candidate's trial, one after another in one run
TRIAL = (
    *("start_trial:before", "start_trial:after", "measure_trial:before"),
    *("trial:before", "trial:after", "remove_side:before"),
)


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = open_workshop(tmp_path)
    yield services
    close_workshop(services)


def died_at(
    processes: ForkServerContext,
    folder: Path,
    point: str | None,
    release: ReleaseSettings | None = None,
) -> bool:
    """Do a turn in another process; tell whether it was killed at the point."""
    process = processes.Process(target=turn, args=(folder, point, release))
    process.start()
    process.join(LIMIT_S)
    assert process.exitcode in (0, -signal.SIGKILL), f"{point}: exit status {process.exitcode}"
    return process.exitcode != 0


def test_killed_at_every_point_the_next_start_goes_on(
    processes: ForkServerContext, services: Services, tmp_path: Path
) -> None:
    send(services, [*item_records(), *event_records(1, 200)])
    assert not any(died_at(processes, tmp_path, None) for _ in range(2))
    assert [one.version for one in release_rows.newest_releases(services.ledger)] == [0, 1]

    targets: dict[int, set[int]] = {}
    num_events = 200
    for points in RUNS:
        send(services, event_records(num_events - 9, num_events + EACH))  # ten of them again
        num_events += EACH
        for point in points:
            assert died_at(processes, tmp_path, point), f"{point} was never reached"
        assert not died_at(processes, tmp_path, None), points
        targets |= _targets(services)
    assert not died_at(processes, tmp_path, None)

    assert run_rows.open_run(services.ledger) is None
    assert switches.under_way(services.ledger) is None
    manifests = {one.version: one.manifest for one in release_rows.newest_releases(services.ledger)}
    live = max(manifests)
    assert services.server.live() == live
    ranges = trained_ranges(manifests, live)
    assert [seq for first, last in ranges for seq in range(first, last + 1)] == list(
        range(1, journal_rows.last_seq(services.ledger) + 1)
    )

    records = services.journal.read(1, journal_rows.last_seq(services.ledger))
    ids = records["event_id"].to_pylist()
    assert len(ids) == len(set(ids)) == num_events + len(item_records())
    events = [
        row
        for row in records.select(["seq", "kind", "user_id"]).to_pylist()
        if row["kind"] == "event"
    ]
    trained_on = [
        seq for version in _lineage(services, live) for seq in sorted(targets.get(version, set()))
    ]
    first_kept = min(trained_on)
    panel = panel_of(services.ledger, manifests[live])
    assert trained_on == [
        row["seq"] for row in events if row["seq"] >= first_kept and not panel.holds(row["user_id"])
    ]
    assert {found.version for found in server_of(services).versions()} == set(
        sorted(manifests)[-2:]
    )
    assert set(services.artifacts.names("content/")) == _needed_bases(services)


def test_a_trial_ends_wherever_its_worker_is_killed(
    processes: ForkServerContext, services: Services, tmp_path: Path
) -> None:
    send(services, [*item_records(), *event_records(1, 200)])
    assert not any(died_at(processes, tmp_path, None) for _ in range(2))
    send(services, event_records(201, 200 + EACH))
    for point in TRIAL:
        assert died_at(processes, tmp_path, point, SHORT_TRIAL), f"{point} was never reached"
        assert services.server.live() is not None
    assert not died_at(processes, tmp_path, None, SHORT_TRIAL)
    assert services.server.live() == 2
    assert run_rows.open_run(services.ledger) is None
    trial = trial_rows.find(services.ledger, 2)
    assert trial is not None
    assert trial.end is not None
    assert trial.end.verdict == "promoted"
    assert side_rows.every(services.ledger) == ()


def _needed_bases(services: Services) -> set[str]:
    """Return the names of the bases of large arrays that the kept releases have."""
    kept = release_rows.kept_releases(services.ledger)
    return {release_files.base_name(digest) for one in kept for digest in one.manifest.bases}


def _targets(services: Services) -> dict[int, set[int]]:
    """Return the journal numbers that runs with existing files trained on, by version."""
    found = {}
    for run in run_rows.newest(services.ledger, 3):
        file = services.paths.runs / str(run.run_id) / "snapshot" / "events.parquet"
        if run.mode == "update" and run.version is not None and file.is_file():
            rows = pq.read_table(file, columns=["seq", "role"]).to_pylist()
            found[run.version] = {row["seq"] for row in rows if row["role"] == "target"}
    return found


def _lineage(services: Services, version: int) -> list[int]:
    """Return the versions from the full retrain down to this one."""
    lineage: list[int] = []
    at: int | None = version
    while at is not None:
        lineage.append(at)
        at = release_rows.release(services.ledger, at).manifest.parent
    return lineage[::-1]
