"""A training rents machines, and they are stopped whatever becomes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cron.cycle.cycle import run_cycle
from cron.cycle.rented_machines import machines_for
from cron.cycle.stages import folder_of
from cron.errors import Stopped
from cron.ledger import rental_rows, run_rows
from cron.lineage import Lease, Run
from cron.machine_errors import MachinesMissing, MachinesRefused
from cron.metrics.overview import look_at_ledger, progress_of
from cron.services import Services
from cron.verbs import status
from tests.releases import reason
from tests.rented import PretendedMachines
from tests.workshop import event_records, send


@pytest.fixture
def machines(tmp_path: Path) -> PretendedMachines:
    return PretendedMachines(tmp_path / "machines")


def renting(services: Services, url: str) -> Services:
    """Return the same parts with machines around full retrains, which cost a thousand an hour."""
    worker = replace(
        services.settings.worker,
        launchers={"full": "process:"},
        machines={"full": url},
        price_per_device_hour={"process": 1000.0},
    )
    return replace(services, settings=replace(services.settings, worker=worker))


@pytest.fixture
def run(services: Services, lease: Lease) -> Run:
    """A full retrain with a snapshot, as far as machines are concerned."""
    asked = reason("asked_for", ok=True)
    run = run_rows.start(services.ledger, "full", reason=asked, supersedes=1, lease=lease)
    snapshot = folder_of(services.paths, run) / "snapshot"
    snapshot.mkdir(parents=True)
    manifest = {"mode": "full", "num_targets": 400}
    (snapshot / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return run


def test_only_the_trainings_of_the_table_rent_machines(
    services: Services, lease: Lease, machines: PretendedMachines
) -> None:
    rented = renting(services, machines.url("machines=2&devices=2"))
    send(rented, event_records(401, 440))
    assert run_cycle(rented, lease).mode == "update"
    assert machines.calls == []
    send(rented, event_records(441, 480))
    run = run_cycle(rented, lease, force_full=True)
    assert (run.mode, run.outcome) == ("full", "published")
    assert machines.calls == ["start 2", "joined", "stop"]
    (rental,) = rental_rows.of_run(rented.ledger, run.run_id)
    assert rental.stopped_at is not None
    hours = (rental.stopped_at - rental.started_at).total_seconds() / 3600
    assert run.cost == pytest.approx(2 * 2 * 1000.0 * hours)


def test_the_wait_for_machines_is_shown(
    services: Services, lease: Lease, machines: PretendedMachines, run: Run
) -> None:
    """It ends with the training that has fewer than it needs, and with machines that are gone."""
    rented = renting(services, machines.url("machines=2&wait=1"))
    machines.join_only(1)
    folder = folder_of(services.paths, run)
    shown = []

    def look() -> bool:
        now = services.ledger.now()
        overview = look_at_ledger(services.ledger, now=now)
        progress = progress_of(run, overview.rentals, services.paths.runs, now=now)
        assert progress is not None
        shown.append((progress.phase, progress.done, progress.total))
        (line,) = status._rentals(overview)
        assert line.startswith(f"rented   2 machines of command:{machines.program} for run")
        return False

    stop = StopThatLooks(services.stop.is_set, look)
    watched = replace(rented, stop=stop)  # type: ignore[arg-type]
    with (
        pytest.raises(MachinesMissing, match=r"1 of at least 2 machines of .* within 1 s"),
        machines_for(watched, run, folder, lease, monotonic=stop.clock),
    ):
        pytest.fail("the training would begin")
    assert shown == [("waiting for 2 machines", 1, 2)]
    assert machines.num_rented == 0
    assert status._rentals(look_at_ledger(services.ledger, now=services.ledger.now())) == []


class StopThatLooks:
    """The event of a worker's stop, whose waits look around and move a clock."""

    def __init__(self, is_set: object, look: object) -> None:
        self._look = look
        self._passed_s = 0.0

    def clock(self) -> float:
        return self._passed_s

    def wait(self, seconds: float) -> bool:
        assert callable(self._look)
        self._look()
        self._passed_s += seconds
        return False


def test_fewer_machines_suffice_after_the_wait(
    services: Services, lease: Lease, machines: PretendedMachines, run: Run
) -> None:
    rented = renting(services, machines.url("machines=1:2&wait=1"))
    machines.join_only(1)
    with machines_for(rented, run, folder_of(services.paths, run), lease, look_s=0.1):
        (rental,) = rental_rows.running(services.ledger)
        assert (rental.num_asked, rental.num_joined) == (2, 1)
        assert rental.joined_at is not None
    assert machines.num_rented == 0


def test_a_worker_that_ends_does_not_wait_on(
    services: Services, lease: Lease, machines: PretendedMachines, run: Run
) -> None:
    rented = renting(services, machines.url("machines=2"))
    machines.join_only(0)
    services.stop.set()
    with (
        pytest.raises(Stopped),
        machines_for(rented, run, folder_of(services.paths, run), lease),
    ):
        pytest.fail("the training would begin")
    assert machines.num_rented == 0


def test_machines_of_a_killed_worker_are_stopped_by_the_next(
    services: Services, lease: Lease, machines: PretendedMachines, run: Run
) -> None:
    """The run goes on with machines of its own, and pays for both."""
    rented = renting(services, machines.url("machines=2"))
    left = rental_rows.start(
        services.ledger,
        run.run_id,
        machines=machines.url("machines=3"),
        num_asked=3,
        price=5.0,
        lease=lease,
    )
    rented.machines(left.machines).start(3)
    machines.fail_at("stop")
    run_cycle(rented, lease)  # its provider is away: the machines stay known
    assert left in rental_rows.running(services.ledger)
    machines.work_again()
    run_cycle(rented, lease)
    assert rental_rows.running(services.ledger) == ()
    assert machines.num_rented == 0


def test_machines_that_can_not_be_had_end_the_run(
    services: Services, lease: Lease, machines: PretendedMachines
) -> None:
    rented = renting(services, machines.url("machines=2"))
    machines.fail_at("start")
    send(rented, event_records(401, 480))
    run = run_cycle(rented, lease, force_full=True)
    assert run.outcome == "failed"
    assert run.reasons[-1].name == MachinesRefused.__name__
    assert "`start 2` ended with status 3: no start today" in run.reasons[-1].text
    assert machines.calls[-1] == "stop", "some may have started"
