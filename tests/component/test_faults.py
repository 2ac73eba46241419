"""A technical fault is not a verdict on the model: runs are retried, never refused."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cron.cycle.cycle import run_cycle
from cron.cycle.outlook import observe
from cron.errors import ServerRefused, Stopped, TrainerDied, TrainingFailed, Unavailable
from cron.ledger import metric_rows, run_rows
from cron.lineage import Lease, Outcome, Run
from cron.services import Services
from tests.fakes import FakeServer
from tests.workshop import HereLauncher, event_records, live_version, send, server_of
from trainer.config import TrainConfig

Predict = Callable[..., object]


def refuse(status: int) -> Callable[[], object]:
    def raise_it() -> object:
        raise ServerRefused(2, status=status, message="Worker died.")

    return raise_it


def timed_out() -> object:
    raise Unavailable("TorchServe", where="here", why="ReadTimeout")


FAULTS: dict[str, Callable[[], object]] = {
    "503": refuse(503),
    "500": refuse(500),
    "400 of a token": refuse(400),
    "time-out or reset": timed_out,
    "error body of TorchServe": lambda: {
        "code": 503,
        "type": "InternalServerException",
        "message": "Worker died.",
    },
    "error body of the handler": lambda: {"error": {"field": "k", "reason": "expected a number"}},
    "no object": lambda: ["items"],
}


def disturb(server: FakeServer, fault: Callable[[], object], *, times: int) -> list[int]:
    """Apply the fault to some predictions, from the fifth on; return the list of all calls."""
    predict, asked = server.predict, list[int]()

    def disturbed_predict(version: int | None, body: object, *, timeout_s: float) -> object:
        asked.append(len(asked) + 1)
        if 5 <= len(asked) < 5 + times:
            return fault()
        return predict(version, body, timeout_s=timeout_s)

    server.predict = disturbed_predict  # type: ignore[method-assign]
    return asked


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_what_is_no_answer_is_asked_again(services: Services, lease: Lease, fault: str) -> None:
    send(services, event_records(401, 480))
    disturb(server_of(services), FAULTS[fault], times=1)
    run = run_cycle(services, lease)
    assert (run.outcome, live_version(services)) == ("published", 2), run.reasons[-1].text


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_version_that_never_answers_fails_and_is_not_refused(
    services: Services, lease: Lease, fault: str
) -> None:
    send(services, event_records(401, 480))
    asked = disturb(server_of(services), FAULTS[fault], times=10_000)
    run = run_cycle(services, lease)
    assert (run.outcome, run.reasons[-1].name, live_version(services)) == (
        "failed",
        "Unanswered",
        1,
    )
    assert "version 2 is registered and did not answer a probe" in run.reasons[-1].text
    assert len(asked) == 4 + 3, "three tries"
    assert not [
        name
        for name in metric_rows.stored_metrics(services.ledger)
        if name.startswith("refused_by")
    ]
    assert [found.version for found in services.server.versions()] == [0, 1]
    state = observe(services.ledger, services.journal, services.settings.train)
    assert (state.num_refusals, state.num_unpublished) == (0, 1)


def test_a_server_lost_during_the_probe_keeps_the_run_open(
    services: Services, lease: Lease
) -> None:
    send(services, event_records(401, 480))
    server = server_of(services)

    def go_away() -> object:
        server.is_down = True
        return timed_out()

    disturb(server, go_away, times=1)
    with pytest.raises(Unavailable):
        run_cycle(services, lease)
    server.is_down = False
    run = run_cycle(services, lease)
    assert (run.outcome, live_version(services)) == ("published", 2)
    assert isinstance(services.launcher, HereLauncher)
    assert services.launcher.num_trainings == 1


def test_a_worker_killed_during_registration_is_retried(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 480))
    server, left = server_of(services), [500, 200]
    register = server.register

    def fail_first(version: int, url: str) -> None:
        if version == 2 and left:
            raise ServerRefused(
                version,
                status=left.pop(),
                message="Failed to start workers for model rec version: 2",
            )
        register(version, url)

    server.register = fail_first  # type: ignore[method-assign]
    assert run_cycle(services, lease).outcome == "published"
    assert (left, live_version(services)) == ([], 2)


def test_a_worker_lost_before_the_switch_is_loaded_again(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 480))
    server, deaths = server_of(services), [1]
    set_live = server.set_live

    def die_first(version: int) -> None:
        if version == 2 and deaths:
            server.lost.add(version + deaths.pop() - 1)
        set_live(version)

    server.set_live = die_first  # type: ignore[method-assign]
    run = run_cycle(services, lease)
    assert (run.outcome, live_version(services)) == ("published", 2), run.reasons[-1].text


def test_a_server_emptied_after_the_probe_is_probed_again(services: Services, lease: Lease) -> None:
    """The worker ends between the two; the server is restarted before its next life goes on."""
    send(services, event_records(401, 480))
    server = server_of(services)
    predict, asked = server.predict, list[int | None]()

    def asked_and_told_to_end(version: int | None, body: object, *, timeout_s: float) -> object:
        asked.append(version)
        if is_first_life:
            services.stop.set()  # seen before the next step
        return predict(version, body, timeout_s=timeout_s)

    is_first_life = True
    server.predict = asked_and_told_to_end  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        run_cycle(services, lease)
    open_run = run_rows.open_run(services.ledger)
    assert open_run is not None
    assert {"register", "probe"} <= set(open_run.seconds)
    server.restart_empty()
    services.stop.clear()
    is_first_life, num_asked = False, len(asked)
    run = run_cycle(services, lease)
    assert (run.run_id, run.outcome, live_version(services)) == (open_run.run_id, "published", 2)
    assert len(asked) >= 2 * num_asked, "the probe of the version that is loaded now"


class FullDisk:
    """An artifact store on a disk without room for another archive."""

    def __init__(self, services: Services) -> None:
        self._store = services.artifacts

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def put(self, name: str, file: Path) -> str:
        if name.endswith(".mar"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
        return self._store.put(name, file)


class Ends(HereLauncher):
    """A trainer that ends in one way each time."""

    def __init__(self, texts: Path, error: type[TrainingFailed]) -> None:
        super().__init__(texts)
        self._error = error

    def train(self, snapshot: Path, config: TrainConfig, out: Path, *, limit_s: float) -> Path:
        raise self._error(exit_status=1, limit_s=limit_s, log=out, tail="trainer: why")


def after_three(services: Services, faulty: Services, lease: Lease, outcome: Outcome) -> Run:
    """Do three runs that end like that, and return the next one, without the fault."""
    for number in range(3):
        send(services, event_records(401 + 40 * number, 440 + 40 * number))
        run = run_cycle(faulty, lease)
        assert (run.mode, run.outcome) == ("update", outcome)
    assert metric_rows.stored_metrics(services.ledger).get("refusals_in_a_row", 0) == 2, (
        "as the third run began"
    )
    return run_cycle(services, lease)


def test_three_runs_on_a_full_disk_call_for_no_full_retrain(
    services: Services, lease: Lease
) -> None:
    full = replace(services, artifacts=FullDisk(services))  # type: ignore[arg-type]
    run = after_three(services, full, lease, "failed")
    assert (run.mode, run.outcome) == ("update", "published")


def test_a_server_that_is_only_slow_calls_for_no_full_retrain(
    services: Services, lease: Lease
) -> None:
    hurried = replace(
        services,
        settings=replace(
            services.settings, gate=replace(services.settings.gate, probe_p99_ms=1e-6)
        ),
    )
    run = after_three(services, hurried, lease, "refused")
    assert (run.mode, run.outcome) == ("update", "published")


@pytest.mark.parametrize(
    ("error", "mode"),
    [(TrainerDied, "update"), (TrainingFailed, "full")],
    ids=["it died", "it says what is wrong with its input"],
)
def test_only_a_trainers_message_calls_for_a_full_retrain(
    services: Services, lease: Lease, error: type[TrainingFailed], mode: str
) -> None:
    run = after_three(
        services, replace(services, launcher=Ends(services.paths.texts, error)), lease, "failed"
    )
    assert (run.mode, run.outcome) == (mode, "published")
