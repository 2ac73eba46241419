"""What a cycle of the worker uses: time, memory and bytes, by stage.

The cycle logs the end of each of its steps. At that moment the usage of the processes is read.
"""

from __future__ import annotations

import itertools
import logging
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from cron.cycle.stages import folder_of
from cron.lineage import Run
from cron.services import Services
from cron.worker.worker import run_once
from trainer.report import read_report

STEP_LOGGER = "cron.cycle.open_run"
_BLOCK_BYTES = 512  # of ru_oublock


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was used up to the end of a step; processor seconds of worker, children and server.

    `worker_gib` is the worker's peak since the last reading. The children are the trainer and the
    archiver.
    """

    step: str
    at_s: float
    cpu_s: float
    server_s: float
    written_bytes: int
    worker_gib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one stage used; `cpu_s` includes TorchServe's."""

    name: str
    wall_s: float
    cpu_s: float
    worker_gib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """A cycle and its usage, first reading first; `stored` are bytes by kind of artifact."""

    run: Run
    readings: tuple[Usage, ...]
    trainer_gib: float
    stored: Counter[str]
    phases: str

    @property
    def stages(self) -> list[Stage]:
        """The stages in their order."""
        return [
            Stage(
                name=end.step,
                wall_s=end.at_s - begin.at_s,
                cpu_s=end.cpu_s + end.server_s - begin.cpu_s - begin.server_s,
                worker_gib=end.worker_gib,
            )
            for begin, end in itertools.pairwise(self.readings)
        ]

    def wall_s(self, through: str) -> float:
        """Return the seconds of the clock from the start to the end of a stage."""
        return self._end_of(through).at_s - self.readings[0].at_s

    def cpu_s(self, through: str) -> float:
        """Return the processor seconds from the start to the end of a stage."""
        begin, end = self.readings[0], self._end_of(through)
        return end.cpu_s + end.server_s - begin.cpu_s - begin.server_s

    @property
    def server_s(self) -> float:
        """TorchServe's part of the processor seconds."""
        return self.readings[-1].server_s - self.readings[0].server_s

    @property
    def stored_mb(self) -> float:
        """The megabytes that the artifact store received."""
        return sum(self.stored.values()) / 1e6

    @property
    def stored_note(self) -> str:
        """The megabytes by kind of artifact."""
        return ", ".join(f"{kind} {size / 1e6:.1f}" for kind, size in sorted(self.stored.items()))

    @property
    def written_mb(self) -> float:
        """The megabytes that worker and children wrote to the disk."""
        return (self.readings[-1].written_bytes - self.readings[0].written_bytes) / 1e6

    def _end_of(self, step: str) -> Usage:
        return next(one for one in self.readings if one.step == step)


def measured_cycle(services: Services, *, server_pid: int) -> Cycle:
    """Run a turn and measure it."""
    server = psutil.Process(server_pid)
    store = services.artifacts.folder()
    assert store is not None
    before = _files_of(store)
    readings = [_read(server, "start")]
    with _at_each_step(lambda step: readings.append(_read(server, step))):
        run = run_once(services)
    readings.append(_read(server, "tidy"))
    report = read_report(folder_of(services.paths, run) / "candidate" / "report.json")
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cycle(
        run=run,
        readings=tuple(readings),
        trainer_gib=children.ru_maxrss / 2**20,
        stored=_new_bytes(before, _files_of(store)),
        phases=", ".join(f"{name} {seconds:.1f}" for name, seconds in report.seconds.items()),
    )


def _read(server: psutil.Process, step: str) -> Usage:
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    usage = Usage(
        step=step,
        at_s=time.monotonic(),
        cpu_s=own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
        server_s=tree_s(server),
        written_bytes=_BLOCK_BYTES * (own.ru_oublock + children.ru_oublock),
        worker_gib=_peak_gib(),
    )
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak begins again
    return usage


def _peak_gib() -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (peak_kib,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak_kib) / 2**20


def tree_s(server: psutil.Process) -> float:
    """Return the processor seconds of TorchServe and of its workers, ended ones included.

    Those of a process that ended are with its parent, which for a forked worker is the fork server.
    """
    times = [one.cpu_times() for one in (server, *server.children(recursive=True))]
    return sum(one.user + one.system + one.children_user + one.children_system for one in times)


@contextmanager
def _at_each_step(call: Callable[[str], None]) -> Iterator[None]:
    """Call with the name of each step of a cycle when it has ended."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.msg == "step done":
                call(record.__dict__["step"])

    logger = logging.getLogger(STEP_LOGGER)
    handler, level = Handler(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _files_of(store: Path) -> dict[Path, tuple[int, int]]:
    """Return the inode and the size of each artifact."""
    files = {}
    for file in store.rglob("*"):
        if file.is_file() and ".store" not in file.parts:
            found = file.stat()
            files[file.relative_to(store)] = (found.st_ino, found.st_size)
    return files


def _new_bytes(
    before: Mapping[Path, tuple[int, int]], after: Mapping[Path, tuple[int, int]]
) -> Counter[str]:
    """Return the bytes of new artifacts by kind: archives, states, bases and the journal."""
    stored: Counter[str] = Counter()
    for path, (inode, size) in after.items():
        if before.get(path) != (inode, size):
            kind = path.parts[0] if len(path.parts) > 1 else "archives"
            stored[kind] += size
    return stored
