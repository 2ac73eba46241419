"""The memory that a rank needs for its share of the events, by the number of ranks.

    python -m bench.speed.shares EVENTS RANK RANKS

prints the bytes by which reading a share, counting it and making its histories raise the peak of a
process. The events are made up: their number decides, not what they say.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.report.rows import BenchMetric
from bench.speed.launcher_rows import launcher_rows
from cron.project_root import PROJECT_ROOT
from cron.snapshot.tables import SnapshotTables
from recommender.catalogue.catalogue import Catalogue
from trainer.candidate_files import EVENTS
from trainer.config import TrainConfig
from trainer.data.dataset import read_share
from trainer.data.event_counts import StartCounts
from trainer.data.event_file import EventFile
from trainer.data.sampling import build_sequences

NUM_EVENTS, EVENTS_OF_USER, NUM_ITEMS = 4_000_000, 50, 20_000


def write_events(folder: Path, num_events: int = NUM_EVENTS) -> Path:
    """Write an event file as a full retrain's snapshot has it, and return its path."""
    number_E = np.arange(num_events)
    rng = np.random.default_rng(0)
    users = [f"user-{number:08}" for number in range(-(-num_events // EVENTS_OF_USER))]
    items = [f"item-{number:06}" for number in range(NUM_ITEMS)]
    rows = pa.table(
        {
            "seq": number_E,
            "event_id": pa.array([f"e{number:010}" for number in number_E.tolist()]),
            "user_id": pa.array(users).take(pa.array(number_E // EVENTS_OF_USER)),
            "item_id": pa.array(items).take(pa.array(rng.integers(NUM_ITEMS, size=num_events))),
            "type": pa.repeat("rating", num_events),
            "rating": rng.integers(1, 6, num_events).astype(np.float32),
            "at_us": number_E * 1_000_000,
            "is_first": pa.repeat(pa.scalar(True), num_events),
            "is_first_rating": pa.repeat(pa.scalar(True), num_events),
            "role": pa.repeat("target", num_events),
        }
    )
    with SnapshotTables(folder) as tables:
        tables.add("events", rows)
    return folder / EVENTS


def share_rows(name: str, folder: Path, note: str) -> list[BenchMetric]:
    """Measure each rank of one and of two, and return the rows."""
    path = write_events(folder)
    metric = f"memory for its share of {NUM_EVENTS:,} made-up events, at its peak"
    rows: list[BenchMetric] = []
    for rank, num_ranks in ((0, 1), (0, 2), (1, 2)):
        command = [sys.executable, "-m", "bench.speed.shares", str(path), str(rank), str(num_ranks)]
        printed = subprocess.run(
            command, cwd=PROJECT_ROOT, check=True, capture_output=True, text=True
        ).stdout
        values = {metric: (int(printed) / 2**30, "GiB")}
        rows += launcher_rows(name, f"rank {rank} of {num_ranks}", values, note)
    return rows


def main(path: str, rank: str, num_ranks: str) -> None:
    """Read a share and print what it took."""
    config = TrainConfig()
    before = _peak_bytes()
    events = read_share(EventFile.local(Path(path)), int(rank), int(num_ranks))
    counts = StartCounts.of(events, config.signals)
    catalogue = Catalogue(counts.by_appearance())
    build_sequences(events, events.rows(catalogue), config)
    sys.stdout.write(f"{_peak_bytes() - before}\n")


def _peak_bytes() -> int:
    """Return this process's peak; getrusage's would include what forked it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (one for one in status.splitlines() if one.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
