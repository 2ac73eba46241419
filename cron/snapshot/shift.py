"""The distance between the mix of a run's new events and that of the events before them.

A flood is visible here before anything is trained on it. Each distance is a total variation
distance: 0 for the same mix, 1 for nothing in common. Suffixes: N one entry per event, B per bin,
I per item. Pure array work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cron.snapshot.timeline import (
    Mask,
    Numbers,
    dictionary_codes,
    in_ranges,
    lasting,
    ratings,
)

MIN_NEW = 100  # fewer events differ from any mix by chance
HISTORY_RATIO = 10  # earlier events for each new one
MIN_HISTORY = 5_000
NUM_BINS = 10
COLUMNS = ("seq", "item_id", "type", "rating")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """The distances of three mixes: event types, items by their earlier popularity, ratings."""

    types: float
    items: float
    ratings: float


def shift_of(events: pa.Table, new: tuple[int, int]) -> Shift | None:
    """Compare the events in a range of journal numbers with those before it.

    The table has COLUMNS. Return None if there are too few of either.
    """
    seq_N = events["seq"].to_numpy()
    new_N = in_ranges(seq_N, [new])
    before = np.sort(seq_N[seq_N < new[0]])
    size = max(MIN_HISTORY, HISTORY_RATIO * int(new_N.sum()))
    oldest = before[-size:][0] if len(before) else 0
    before_N = (seq_N < new[0]) & (seq_N >= oldest)
    if new_N.sum() < MIN_NEW or before_N.sum() < MIN_NEW:
        return None
    lasting_N = lasting(events["type"])
    item_N = dictionary_codes(events["item_id"])[1]
    return Shift(
        types=_distance(dictionary_codes(events["type"])[1], before_N, new_N),
        items=_item_distance(item_N, before_N & lasting_N, new_N & lasting_N),
        ratings=_rating_distance(ratings(events["rating"]), before_N, new_N),
    )


def _item_distance(item_N: Numbers, before_N: Mask, new_N: Mask) -> float:
    return _distance(_popularity_bins(item_N, before_N), before_N, new_N)


def _rating_distance(rating_N: Floats, before_N: Mask, new_N: Mask) -> float:
    rated_N = ~np.isnan(rating_N)
    known = rating_N[before_N & rated_N]
    if min(len(known), int((new_N & rated_N).sum())) < MIN_NEW:
        return 0.0
    edges = np.unique(np.quantile(known, np.linspace(0, 1, NUM_BINS + 1)))
    bin_N: Numbers = np.searchsorted(edges, rating_N, side="left").astype(np.int64)
    return _distance(bin_N, before_N & rated_N, new_N & rated_N)


def _popularity_bins(item_N: Numbers, before_N: Mask) -> Numbers:
    """Return each event's bin.

    Items are sorted by their number of earlier events and cut into bins of equal mass; the last
    bin is for new items.
    """
    count_I: Floats = np.bincount(
        item_N[before_N], minlength=int(item_N.max(initial=0)) + 1
    ).astype(float)
    order = np.argsort(-count_I, kind="stable")
    mass = np.cumsum(count_I[order]) - count_I[order]
    bin_I = np.empty(len(count_I), np.int64)
    bin_I[order] = np.minimum(NUM_BINS - 1, mass * NUM_BINS // max(1.0, count_I.sum()))
    bin_I[count_I == 0] = NUM_BINS
    return bin_I[item_N]


def _distance(bin_N: Numbers, before_N: Mask, new_N: Mask) -> float:
    num_bins = int(bin_N.max(initial=0)) + 1
    before_B = np.bincount(bin_N[before_N], minlength=num_bins).astype(float)
    new_B = np.bincount(bin_N[new_N], minlength=num_bins).astype(float)
    if not before_B.sum() or not new_B.sum():
        return 0.0
    return float(np.abs(before_B / before_B.sum() - new_B / new_B.sum()).sum() / 2)
