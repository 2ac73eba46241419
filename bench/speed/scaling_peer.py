"""RecTools' SASRec in one process and in two, beside our launchers in the same run."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from bench.contestants.peers import MALLOC, PEERS, REQUIREMENTS, peer_environment
from bench.data.sets import RatingsSet
from bench.report.rows import BenchMetric
from bench.speed.launcher_rows import launcher_rows
from cron.project_root import PROJECT_ROOT

SCRIPT = Path(__file__).parents[1] / "contestants" / "ddp_peer.py"
MODEL = "SASRec"
LIMIT_S = 1_800.0


def train_peer(data: RatingsSet, folder: Path, *, processes: int, epochs: int) -> float:
    """Train on all events and return the seconds inside epochs."""
    environment = peer_environment("rectools", REQUIREMENTS)
    (peer,) = (one for one in PEERS[data.name] if one.model == MODEL)
    task = {
        "parameters": peer.parameters(),
        "epochs": epochs,
        "seed": 0,
        "threads": 1,
        "processes": processes,
    }
    folder.mkdir()
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
    rows = pd.DataFrame({"user": data.users_E, "item": data.items_E, "at": data.at_s_E})
    rows.to_csv(folder / "interactions.csv", index=False)
    names = ("task.json", "interactions.csv", "used.json")
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        subprocess.run(
            [
                str(environment / "bin" / "python"),
                str(SCRIPT),
                *(str(folder / name) for name in names),
            ],
            cwd=folder,
            check=True,
            timeout=LIMIT_S,
            env=os.environ | MALLOC | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT_ROOT)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    used: dict[str, float] = json.loads((folder / "used.json").read_text(encoding="utf-8"))
    return used["seconds"]


def peer_rows(
    name: str, seconds: Mapping[int, float], ours: Mapping[int, float], note: str
) -> list[BenchMetric]:
    """Return the rows of the peer from its seconds, and ours, by the number of processes."""
    rows: list[BenchMetric] = []
    for processes, took_s in seconds.items():
        values = {
            "seconds of training": (took_s, "s"),
            "times as fast as one process": (seconds[1] / took_s, "1"),
        }
        if processes in ours:
            metric = "its seconds of training, as a multiple of ours in as many processes"
            values[metric] = (took_s / ours[processes], "1")
        rows += launcher_rows(name, f"RecTools {MODEL}, {processes} by DDP", values, note)
    return rows
