"""Training by RecTools' SASRec and by implicit's ALS on the made-up shop, beside ours.

SASRec gets the shape of our tower and a sampled softmax with 256 negatives a position; ours has
2,048 for a whole batch. ALS has 64 factors and one iteration. Each runs with one thread in an
environment of its own. A peer that does not finish, for memory or time, has no row at that size.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.contestants.peers import MALLOC, REQUIREMENTS, peer_environment
from bench.data.planted import Shop
from bench.data.shop_snapshots import shop_events, write_full
from bench.scale.costs import Cost, Size
from bench.scale.trainings import run_trainer
from recommender.config import ModelConfig

SCRIPT = Path(__file__).parents[1] / "contestants" / "scale_peer.py"
LIMIT_S = 7_200.0
_OURS = ModelConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalePeer:
    """A peer, the packages that it needs, and the parameters of its model."""

    name: str
    title: str
    environment: str
    requirements: tuple[str, ...]
    parameters: Mapping[str, object]


PEERS = (
    ScalePeer(
        name="sasrec",
        title="RecTools SASRec, sampled softmax",
        environment="rectools",
        requirements=REQUIREMENTS,
        parameters={
            "n_factors": _OURS.dim,
            "n_blocks": _OURS.num_layers,
            "n_heads": _OURS.num_heads,
            "session_max_len": _OURS.max_history,
            "loss": "sampled_softmax",
            "n_negatives": 256,
            "batch_size": 32,
        },
    ),
    ScalePeer(
        name="als",
        title="implicit ALS, an iteration",
        environment="implicit",
        requirements=("implicit==0.7.2",),
        parameters={"factors": _OURS.dim, "iterations": 1},
    ),
)


def peer_costs(size: Size) -> list[Cost]:
    """Measure each peer and ours on the same events; ours is the rate of one epoch."""
    shop = Shop(size.num_items, size.num_events)
    data = shop_events(shop)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = run_trainer(write_full(folder / "full", shop, data), folder)
        rate = ours.report.num_targets / ours.cpu_s
        costs = [_rate(size, "Freshet, an epoch with everything around it", rate, ours.peak_gib)]
        np.savez(
            folder / "events.npz",
            **{
                name: getattr(data.events, name)[~data.panel_E]
                for name in ("users_E", "items_E", "at_E")
            },
        )
        for peer in PEERS:
            costs += _peer_costs(size, peer, folder, rate, num_events=int((~data.panel_E).sum()))
    return costs


def _peer_costs(
    size: Size, peer: ScalePeer, folder: Path, our_rate: float, *, num_events: int
) -> list[Cost]:
    used = _run_peer(peer, folder)
    if used is None:
        print(f"{size}, {peer.title}: it did not finish", flush=True)
        return []
    rate = num_events / used["cpu_s"]
    ratio = f"ours is {our_rate / rate:.2f} times as fast"
    return [_rate(size, peer.title, rate, used["peak_gib"], note=ratio)]


def _rate(size: Size, what: str, rate: float, peak_gib: float, *, note: str = "") -> Cost:
    return Cost(
        size=size,
        what=what,
        value=rate,
        unit="events a processor s",
        peak_gib=peak_gib,
        note=note,
    )


def _run_peer(peer: ScalePeer, folder: Path) -> dict[str, float] | None:
    """Return the processor seconds and the peak memory; None if the peer did not finish."""
    environment = peer_environment(peer.environment, peer.requirements)
    task = {"peer": peer.name, "threads": 1, "parameters": peer.parameters}
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
    names = ("task.json", "events.npz", "used.json")
    command = [str(environment / "bin" / "python"), str(SCRIPT)]
    command += [str(folder / name) for name in names]
    try:
        subprocess.run(
            command,
            check=True,
            timeout=LIMIT_S,
            env=os.environ | MALLOC | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdout=sys.stderr,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    used: dict[str, float] = json.loads((folder / "used.json").read_text(encoding="utf-8"))
    return used
