"""Releases in TorchServe: bytes, time to ready, and the memory of one and of three.

Each release after the first has other table rows for 1,000 items, as after an update, and shares
the arrays beside the archives. TorchServe runs twice: its workers are forked from one process, or
each has its own imports. Memory is the proportional set size (PSS) of the workers and of what
starts them, without Java: a page that processes share counts once.
"""

from __future__ import annotations

import multiprocessing
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import torch

from bench.scale.costs import Cost, Size
from bench.scale.lists import made_up_bundle
from bench.scale.steps import made_up_facts, made_up_items
from deploy.servers.torchserve.forked_workers import NOT_FORKED
from recommender.arrays.bases import CONTENT
from recommender.bundle import load_bundle, save_bundle
from recommender.lists.answer import answer_batch
from recommender.ranking.ranker import Ranker
from tests.system.machine import until
from tests.system.torchserve import open_node, running_torchserve
from trainer.archive import pack

NUM_VERSIONS = 3
CHANGED_ROWS = 1_000
WAYS = {"forked workers": False, "own imports": True}
_QUESTION: dict[str, object] = {"user_seq": [], "k": 10}


def release_costs(size: Size) -> list[Cost]:
    """Measure the bytes of a release, its loading, and its memory beside two later ones."""
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as name:
        folder = Path(name)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as processes:
            processes.submit(_save_releases, size.num_items, folder).result()
        with ProcessPoolExecutor(1, mp_context=context) as processes:
            loading_s = processes.submit(_loading_s, _bundle(folder, 1)).result()
        size_bytes = sum(one.stat().st_size for one in _files(_bundle(folder, 1)))
        costs = [
            Cost(size=size, what="a release", value=size_bytes / 1e6, unit="MB"),
            Cost(size=size, what="loading it, without TorchServe", value=loading_s, unit="s"),
        ]
        archives = _pack_all(folder)
        for way, own_imports in WAYS.items():
            served = _serve(folder / way.replace(" ", "-"), archives, own_imports=own_imports)
            costs += served.costs(size, way)
    return costs


@dataclass(slots=True, kw_only=True)
class _Served:
    """What TorchServe used after each version was loaded, first the fewest."""

    ready_s: list[float] = field(default_factory=list)
    processor_s: list[float] = field(default_factory=list)
    pss_gib: list[float] = field(default_factory=list)

    def costs(self, size: Size, way: str) -> list[Cost]:
        """Return the rows of one way to start workers."""
        note = f"median of {NUM_VERSIONS}"
        return [
            Cost(
                size=size,
                what=f"from register to ready, {way}",
                value=statistics.median(self.ready_s),
                unit="s",
                note=note,
            ),
            Cost(
                size=size,
                what=f"the processor until then, {way}",
                value=statistics.median(self.processor_s),
                unit="s",
                note=note,
            ),
            Cost(
                size=size,
                what=f"memory of one version, {way}",
                value=self.pss_gib[0],
                unit="GiB",
                note="PSS",
            ),
            Cost(
                size=size,
                what=f"memory of three, {way}",
                value=self.pss_gib[-1],
                unit="GiB",
                note=f"PSS; {self.pss_gib[-1] / self.pss_gib[0]:.2f} times that of one",
            ),
        ]


def _save_releases(num_items: int, folder: Path) -> None:
    torch.set_num_threads(1)
    facts = made_up_facts(num_items, made_up_items(num_items))
    save_bundle(made_up_bundle(num_items, facts), _bundle(folder, 1))
    random = np.random.default_rng(0)
    for version in range(2, NUM_VERSIONS + 1):
        later = load_bundle(_bundle(folder, version - 1), verify=False)
        rows = torch.from_numpy(random.choice(num_items, size=CHANGED_ROWS, replace=False))
        table_ND = later.model.state_dict()["table"].clone()
        table_ND[rows] += 0.01
        later.model.load_state_dict({"table": table_ND}, strict=False, assign=True)
        save_bundle(later, _bundle(folder, version))


def _loading_s(bundle: Path) -> float:
    torch.set_num_threads(1)
    began_s = time.process_time()
    ranker = Ranker(load_bundle(bundle, verify=False))
    answer_batch(ranker, [_QUESTION])
    return time.process_time() - began_s


def _pack_all(folder: Path) -> Path:
    """Write the archives, and beside them once what the releases share; return their folder."""
    archives = folder / "archives"
    content = archives / CONTENT
    content.mkdir(parents=True)
    for version in range(1, NUM_VERSIONS + 1):
        bundle = _bundle(folder, version)
        for array in _files(bundle / CONTENT):
            if not (content / array.name).exists():
                shutil.copyfile(array, content / array.name)
        pack(bundle=bundle, version=version, out=archives, beside=content)
    return archives


def _serve(folder: Path, archives: Path, *, own_imports: bool) -> _Served:
    served, options = _Served(), [NOT_FORKED] * own_imports
    with (
        running_torchserve(folder, store=archives, options=options) as node,
        open_node(node) as server,
    ):
        java = psutil.Process(node.process.pid)
        if not own_imports:
            imported = partial(_waits_for_workers, java)
            until(imported, "the fork server to import", limit_s=60)
        for version in range(1, NUM_VERSIONS + 1):
            (mar,) = archives.glob(f"rec-{version}-*.mar")
            used_s, began_s = _processor_s(java), time.perf_counter()
            server.register(version, mar.name)
            served.ready_s.append(time.perf_counter() - began_s)
            served.processor_s.append(_processor_s(java) - used_s)
            server.predict(version, _QUESTION, timeout_s=60)
            below = java.children(recursive=True)
            served.pss_gib.append(sum(one.memory_full_info().pss for one in below) / 2**30)
    return served


def _waits_for_workers(java: psutil.Process) -> bool:
    """Return whether the fork server has imported: only then it waits for events."""
    (fork_server,) = java.children()
    descriptors = Path(f"/proc/{fork_server.pid}/fd").iterdir()
    return any("eventpoll" in str(one.readlink()) for one in descriptors)


def _processor_s(java: psutil.Process) -> float:
    times = [one.cpu_times() for one in (java, *java.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def _bundle(folder: Path, version: int) -> Path:
    return folder / f"bundle-{version}"


def _files(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file()]
