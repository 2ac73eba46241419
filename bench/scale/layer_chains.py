"""What updates write of a large table that is stored as a base and layers, by its rows.

The table has 64 columns of four bytes, as the default network's. Each update changes rows drawn
independently, all with the same probability: the worst case, since the rows that updates have in
common are merged for nothing. Updates follow one another until a second base is due, which is
counted too.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor

from bench.scale.costs import Cost, Size
from recommender.arrays.bases import CONTENT, Bases, bases_of
from recommender.arrays.layers import load_arrays, save_arrays

SHARES = (0.03, 0.01, 0.003, 0.001)  # of the rows that each update changes
# A larger table has the first two alone: its 1,100 updates of a thousandth take ten minutes.
MANY_ITEMS = 100_000
COLUMNS = 64


def layer_costs(size: Size) -> list[Cost]:
    """Measure what updates of each share write, and reading the table with its layers."""
    torch.set_num_threads(1)
    costs: list[Cost] = []
    for share in SHARES if size.num_items <= MANY_ITEMS else SHARES[:2]:
        with tempfile.TemporaryDirectory(prefix="freshet-bench-") as name:
            costs += _chain_costs(size, share, Path(name))
    return costs


def _chain_costs(size: Size, share: float, folder: Path) -> list[Cost]:
    generator = torch.Generator().manual_seed(0)
    table_NC = torch.rand(size.num_items, COLUMNS, generator=generator)
    num_drawn = round(share * size.num_items)
    file = _save(table_NC, folder / "0", parent=None)
    first_base, *_ = _chain(file)
    written = changed = num_updates = saved_s = read_s = 0.0
    most = 0
    while _chain(file)[0] == first_base:
        num_updates += 1
        rows_X = torch.randint(size.num_items, (num_drawn,), generator=generator).unique()  # type: ignore[no-untyped-call]
        table_NC[rows_X] += 1.0
        known = set(_chain(file))
        began_s = time.process_time()
        newer = _save(table_NC, folder / str(int(num_updates)), parent=file)
        saved_s += time.process_time() - began_s
        shutil.rmtree(file.parent)
        file = newer
        new = [one for one in _chain(file) if one not in known]
        written += sum((file.parent / CONTENT / one).stat().st_size for one in new)
        changed += table_NC[0].nbytes * len(rows_X)
        if len(_chain(file)) > most:
            most, read_s = len(_chain(file)), _read_s(file)
    note = f"{num_updates:,.0f} updates with one new base, at most {most - 1} layers"
    title = f"updates of {share:.1%} of the rows"
    return [
        Cost(
            size=size,
            what=f"{title}, written over changed",
            value=written / changed,
            unit="times",
            note=note,
        ),
        Cost(size=size, what=f"{title}, saving", value=saved_s / num_updates, unit="processor s"),
        Cost(
            size=size,
            what=f"{title}, reading",
            value=read_s,
            unit="processor s",
            note=f"the base and {most - 1} layers",
        ),
    ]


def _save(table_NC: Tensor, folder: Path, *, parent: Path | None) -> Path:
    folder.mkdir()
    file = folder / "table.safetensors"
    save_arrays({"table": table_NC}, file, parent=parent, whole_bytes=1_000)
    return file


def _chain(file: Path) -> tuple[str, ...]:
    return bases_of(file)["table"]


def _read_s(file: Path) -> float:
    began_s = time.process_time()
    load_arrays(file, Bases(folder=file.parent))
    return time.process_time() - began_s
