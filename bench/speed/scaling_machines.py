"""A training whose second machine vanishes, and comes back later: torchrun and Ray.

The machine is killed with SIGKILL, with all that runs on it, after some steps by two ranks. Once
one rank has taken a step that was not taken before, the machine is added again.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bench.report.rows import BenchMetric
from bench.speed.launcher_rows import launcher_rows, load_note
from bench.speed.watched_training import Glance, glance, train
from tests.lost_machines import JoinedMachine
from tests.services.ray_cluster import RayCluster
from trainer.candidate_files import last_checkpoint_ns
from trainer.config import TrainConfig
from trainer.report import Report

TORCHRUN = "torchrun:?nproc=1&nnodes=1:2&rdzv=HOST:PORT"
RAY = "ray://HEAD:PORT?workers=1:2"
CHECKPOINT_S = 2.0
TIMES_EPOCHS = 3  # it has to last longer than both changes
LOST_AFTER_STEPS = 40
_LOOK_EVERY_S = 0.05
# A cluster of this machine alone, whose ports nobody else knows.
_RAY_VARIABLES = {"RAY_AUTH_MODE": "disabled", "RAY_CLIENT_RECONNECT_GRACE_PERIOD": "1"}


class Machines(Protocol):
    """What a training runs on, of which one machine comes and goes."""

    @property
    def elastic_url(self) -> str:
        """The launcher of trainings on this machine and the other one, or on one of them."""

    def add_machine(self) -> None:
        """Start the machine."""

    def lose_machine(self) -> None:
        """Kill all that runs on it, at once."""

    def lose_all(self) -> None:
        """Kill everything that was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineStory:
    """A training that lost its second machine and got it back, with looks at its progress."""

    glances: Sequence[Glance]
    lost_s: float
    added_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a loss or a return cost: seconds until ranks were there, and until steps were taken."""

    ranks_s: float
    step_s: float
    new_step_s: float
    repeated_steps: int


def machine_rows(
    name: str, snapshot: Path, config: TrainConfig, folder: Path, engines: Sequence[str]
) -> list[BenchMetric]:
    """Train undisturbed by one process, then on machines of each engine, and return the rows."""
    config = replace(
        config, checkpoint_s=CHECKPOINT_S, full_epochs=config.full_epochs * TIMES_EPOCHS
    )
    folder.mkdir()
    one = train("process:", snapshot, config, folder / "one")
    rows: list[BenchMetric] = []
    for url in engines:
        with _ENGINES[url]() as machines:
            story, report = _train_with_a_loss(
                machines, snapshot, config, folder / url.partition(":")[0]
            )
        rows += rows_of(name, url, story, report=report, one=one)
    return rows


def rows_of(
    name: str, url: str, story: MachineStory, *, report: Report, one: Report
) -> list[BenchMetric]:
    """Return the rows of one engine; `one` is the training that nothing disturbed."""
    loss = change_after(story.glances, story.lost_s, num_ranks=1)
    back = change_after(story.glances, story.added_s, num_ranks=2)
    turns = ranks_in_turn(story.glances)
    apart = max(abs(a - b) for a, b in zip(report.losses, one.losses, strict=True))
    values = {
        "from the loss of a machine until ranks are there": (loss.ranks_s, "s"),
        "from the loss of a machine to the next new step": (loss.new_step_s, "s"),
        "steps repeated after the loss": (float(loss.repeated_steps), "1"),
        "from adding a machine to the first step of both": (back.step_s, "s"),
        "steps repeated after adding it": (float(back.repeated_steps), "1"),
        "largest difference of an epoch's loss": (apart, "1"),
        "difference of the last epoch's loss": (abs(report.losses[-1] - one.losses[-1]), "1"),
    }
    shown = ", ".join(map(str, turns))
    return launcher_rows(name, url, values, f"ranks in turn {shown}; {load_note()}")


def change_after(glances: Sequence[Glance], at_s: float, *, num_ranks: int) -> Change:
    """Return what came of a change of machines at a time, until so many ranks take steps."""
    before = [one for one in glances if one.at_s <= at_s]
    starts = before[-1].starts
    reached = max(one.done for one in before)
    after = [one for one in glances if one.at_s > at_s]
    # until the change is noticed, steps may still be taken
    reached = max([reached, *(one.done for one in after if one.starts == starts)])
    begun = [one for one in after if one.starts > starts and one.ranks == num_ranks]
    resumed = next(one for one in begun if one.done)
    stepped = next(one for one in begun if one.has_stepped)
    new = next(one for one in begun if one.has_stepped and one.done > reached)
    return Change(
        ranks_s=begun[0].at_s - at_s,
        step_s=stepped.at_s - at_s,
        new_step_s=new.at_s - at_s,
        repeated_steps=max(0, reached - resumed.done + 1),
    )


def ranks_in_turn(glances: Sequence[Glance]) -> list[int]:
    """Return the numbers of ranks that took steps, one after the other."""
    turns: list[int] = []
    for one in glances:
        if one.has_stepped and turns[-1:] != [one.ranks]:
            turns.append(one.ranks)
    return turns


class _Watched:
    """A training in another thread, whose progress is looked at until it ends."""

    def __init__(self, launch: Callable[[], Report], out: Path) -> None:
        self.glances: list[Glance] = []
        self._out = out
        self._reports: list[Report] = []
        self._thread = threading.Thread(target=lambda: self._reports.append(launch()), daemon=True)
        self._thread.start()

    def until(self, condition: Callable[[Glance], object]) -> Glance:
        """Look until something is seen; raise RuntimeError when the training ends before."""
        while self._thread.is_alive():
            seen = self._look()
            if condition(seen):
                return seen
        raise RuntimeError("the training ended before its machines changed; it needs more epochs")

    def end(self) -> Report:
        """Look until the end and return the report."""
        while self._thread.is_alive():
            self._look()
        (report,) = self._reports
        return report

    def _look(self) -> Glance:
        self._thread.join(_LOOK_EVERY_S)
        seen = glance(self._out)
        if not self.glances or replace(seen, at_s=self.glances[-1].at_s) != self.glances[-1]:
            self.glances.append(seen)
        return seen


def _train_with_a_loss(
    machines: Machines, snapshot: Path, config: TrainConfig, folder: Path
) -> tuple[MachineStory, Report]:
    out = folder / "candidate"
    machines.add_machine()
    watched = _Watched(lambda: train(machines.elastic_url, snapshot, config, folder), out)
    both = watched.until(
        lambda now: (
            _takes_steps(now, num_ranks=2, after=LOST_AFTER_STEPS)
            and last_checkpoint_ns(out) is not None
        )
    )
    lost_s = time.monotonic()
    machines.lose_machine()
    alone = watched.until(lambda now: _takes_steps(now, num_ranks=1, after=both.done))
    added_s = time.monotonic()
    machines.add_machine()
    watched.until(lambda now: _takes_steps(now, num_ranks=2, after=alone.done))
    report = watched.end()
    return MachineStory(glances=watched.glances, lost_s=lost_s, added_s=added_s), report


def _takes_steps(now: Glance, *, num_ranks: int, after: int) -> bool:
    return now.ranks == num_ranks and now.has_stepped and now.done > after


@contextmanager
def _joined_machines() -> Iterator[Machines]:
    with tempfile.TemporaryDirectory(prefix="join-") as folder:
        machines = JoinedMachine(Path(folder))
        try:
            yield machines
        finally:
            machines.lose_all()


@contextmanager
def _ray_machines() -> Iterator[Machines]:
    os.environ.update(_RAY_VARIABLES)
    # paths of Ray's sockets have little room
    with tempfile.TemporaryDirectory(prefix="r-", ignore_cleanup_errors=True) as folder:
        cluster = RayCluster(Path(folder))
        try:
            yield cluster
        finally:
            cluster.lose_all()


_ENGINES = {TORCHRUN: _joined_machines, RAY: _ray_machines}
