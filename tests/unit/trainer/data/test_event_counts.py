"""Counts of parts of the events add up to the counts of all."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from recommender.catalogue.catalogue import Catalogue
from recommender.config import Signals
from tests.planted import planted_items, planted_rows, write_rows
from trainer.data.dataset import read_events
from trainer.data.event_counts import StartCounts


def test_counts_do_not_depend_on_how_events_are_divided(tmp_path: Path) -> None:
    roles = ("context", *["target"] * 4)
    rows = [replace(row, role=roles[row.seq % 5]) for row in planted_rows()]
    users = sorted({row.user_id for row in rows})

    def counts(name: str, chosen: list[str]) -> StartCounts:
        path = tmp_path / name
        write_rows(path, [row for row in rows if row.user_id in chosen])
        return StartCounts.of(read_events(path), Signals())

    whole = counts("whole", users)
    parts = [counts(str(first), users[first : first + 25]) for first in range(0, len(users), 25)]
    parts.append(counts("none", []))
    catalogue = Catalogue(planted_items())
    found = StartCounts.added_up(parts)
    assert found.by_appearance() == whole.by_appearance()
    for one in (found, whole):
        met_N = np.bincount(one.rows(catalogue), weights=one.met_I)
        assert met_N.sum() == sum(row.role == "target" for row in rows)
    for counted in ("met_I", "first_seq_I"):
        assert by_item(found, counted) == by_item(whole, counted)
    assert ratings(found) == ratings(whole)


def by_item(counts: StartCounts, name: str) -> dict[str, int]:
    return dict(zip(counts.items, getattr(counts, name).tolist(), strict=True))


def ratings(counts: StartCounts) -> set[tuple[str, float, int]]:
    columns = (counts.item_P, counts.rating_P, counts.count_P)
    return {
        (counts.items[item], rating, count)
        for item, rating, count in zip(*(one.tolist() for one in columns), strict=True)
    }
