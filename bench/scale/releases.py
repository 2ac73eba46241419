"""Loading a release: its bytes, the time, and the memory of one and three versions.

A version is a process, as in TorchServe. The memory of three is their proportional set size (PSS):
a page that processes share counts once.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from bench.scale.costs import Cost, Size
from recommender.bundle import load_bundle
from recommender.lists.answer import answer_batch
from recommender.ranking.ranker import Ranker


def release_costs(size: Size, bundle: Path) -> list[Cost]:
    """Measure the bytes of a bundle, and its loading in one process and in three."""
    size_mb = sum(file.stat().st_size for file in bundle.rglob("*") if file.is_file()) / 1e6
    one, three = _load(bundle, 1), _load(bundle, 3)
    return [
        Cost(size=size, what="a release", value=size_mb, unit="MB"),
        Cost(size=size, what="loading a release", value=one[0].cpu_s, unit="s"),
        Cost(size=size, what="memory of one loaded version", value=_sum_gib(one), unit="GiB"),
        Cost(size=size, what="memory of three", value=_sum_gib(three), unit="GiB", note="PSS"),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """What a process used to load a release: its seconds, and its PSS beside the others."""

    cpu_s: float
    pss_gib: float


def _sum_gib(loaded: Sequence[_Version]) -> float:
    return sum(one.pss_gib for one in loaded)


def _load(bundle: Path, num_processes: int) -> list[_Version]:
    """Load a bundle in some processes at once; measure when all have loaded it."""
    context = multiprocessing.get_context("spawn")
    pairs = [context.Pipe() for _ in range(num_processes)]
    processes = [context.Process(target=_serve, args=(theirs, bundle)) for _, theirs in pairs]
    for process in processes:
        process.start()
    seconds = [ours.recv() for ours, _ in pairs]
    for ours, _ in pairs:
        ours.send("measure")
    # A process ends only when all have measured.
    memory = [ours.recv() for ours, _ in pairs]
    for ours, _ in pairs:
        ours.send("end")
    for process in processes:
        process.join()
    return [
        _Version(cpu_s=cpu_s, pss_gib=pss_gib)
        for cpu_s, pss_gib in zip(seconds, memory, strict=True)
    ]


def _serve(to: Connection, bundle: Path) -> None:
    torch.set_num_threads(1)
    began_s = time.process_time()
    ranker = Ranker(load_bundle(bundle, verify=False))
    cpu_s = time.process_time() - began_s
    answer_batch(ranker, [{"user_seq": [], "k": 10}])
    to.send(cpu_s)
    to.recv()
    to.send(_pss_gib())
    to.recv()


def _pss_gib() -> float:
    """Return this process's share of memory: its own pages, and its part of shared ones."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()
    (pss_kib,) = (line.split()[1] for line in lines if line.startswith("Pss:"))
    return int(pss_kib) / 2**20
