"""A full retrain loses a machine, gets it back, and is published; `status` tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from cron.cycle.cycle import run_cycle
from cron.ledger import lease_row
from cron.lineage import Run
from cron.metrics.overview import RunProgress, look
from cron.services import Services
from cron.wiring import open_launcher
from tests.contracts.test_elastic_torchrun import training
from tests.contracts.test_train_launcher import until
from tests.lost_machines import JoinedMachine, command_of
from tests.workshop import (
    close_workshop,
    event_records,
    item_records,
    live_version,
    open_workshop,
    send,
)


def test_a_retrain_loses_a_machine_and_publishes(helper: JoinedMachine, tmp_path: Path) -> None:
    launcher = open_launcher(helper.elastic_url, text_cache=tmp_path / "texts")
    services = open_workshop(tmp_path, launcher=launcher)
    train = replace(services.settings.train, full_epochs=600, checkpoint_s=0.0)
    services = replace(services, settings=replace(services.settings, train=train))
    send(services, [*item_records(), *event_records(1, 400)])
    lease = lease_row.acquire(services.ledger, "story", 600, services.ledger.now())
    assert lease is not None
    run_cycle(services, lease)  # the baseline
    runs: list[Run] = []

    def publish() -> Path:
        runs.append(run_cycle(services, lease))
        return tmp_path

    with training(publish):
        helper.add_machine()
        wait_for(services, lambda now: now.ranks == 2)
        helper.lose_machine()
        wait_for(services, lambda now: now.ranks == 1 and now.starts > 1)
        with paused_rank():
            helper.add_machine()
            until(lambda: len(helper.processes) > 1)
        wait_for(services, lambda now: now.ranks == 2 and now.starts > 2)
        until(lambda: runs)
    assert (runs[0].mode, runs[0].outcome) == ("full", "published")
    assert live_version(services) == runs[0].version
    close_workshop(services)


@contextmanager
def paused_rank() -> Iterator[None]:
    """Let the rank of this machine wait: alone, it may be done before another one has started."""
    below = psutil.Process().children(recursive=True)
    commands = {process: command_of(process) for process in below}
    ranks = [
        process
        for process, command in commands.items()
        if "--leads" in command and "torch.distributed.run" not in command
    ]
    assert ranks
    for rank in ranks:
        rank.suspend()
    yield
    for rank in ranks:
        rank.resume()


def wait_for(services: Services, has_reached: Callable[[RunProgress], bool]) -> None:
    """Wait until `status` says something of the run that is in progress."""

    def is_there() -> bool:
        seen = look(
            services.ledger, services.log, services.paths.runs, now=services.ledger.now()
        ).progress
        return seen is not None and seen.phase == "train" and has_reached(seen)

    until(is_there)
