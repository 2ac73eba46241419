"""Folds of the bench of new items: what is held out, and the events to score in batches."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from bench.data.sets import RatingsSet
from bench.data.snapshots import Flags
from recommender.bundle import Bundle
from recommender.ranking.history_columns import HistoryElement

ITEM_FOLDS, USER_FOLDS = 10, 5
EVENTS_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """The items and users of a set that are held out.

    `tuned_N` marks known items, on which the neighbour baseline is tuned.
    """

    data: RatingsSet
    cold_N: Flags
    tuned_N: Flags
    panel_U: Flags

    @property
    def train_E(self) -> Flags:
        """Events of known users on known items."""
        return ~self.cold_N[self.data.items_E] & ~self.panel_U[self.data.users_E]

    @property
    def scored_E(self) -> Flags:
        """Events of held-out users on held-out items."""
        return self.cold_N[self.data.items_E] & self.panel_U[self.data.users_E]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBatch:
    """Scored events: their histories, the rows their users have seen, and the rows to find."""

    histories: list[list[HistoryElement]]
    seen: list[list[int]]
    targets: list[int]


def fold_of(data: RatingsSet, number: int) -> Fold:
    """Return one fold. An item without a text is never held out, since only its text is known."""
    items_N = np.array([_bucket(f"item {item_id}", ITEM_FOLDS) for item_id in data.item_ids])
    users_U = np.array([_bucket(f"user {user}", USER_FOLDS) for user in range(data.num_users)])
    has_text_N = np.array([record is not None for record in data.items])
    return Fold(
        data=data,
        cold_N=(items_N == number % ITEM_FOLDS) & has_text_N,
        tuned_N=(items_N == (number + 1) % ITEM_FOLDS) & has_text_N,
        panel_U=users_U == number % USER_FOLDS,
    )


def _bucket(name: str, buckets: int) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % buckets


def sample_users(data: RatingsSet, share: float) -> RatingsSet:
    """Return the set with a share of its users, chosen by hash; items keep their numbers."""
    limit = round(share * 1000)
    kept_U = np.array([_bucket(f"sample {user}", 1000) < limit for user in range(data.num_users)])
    kept_E = kept_U[data.users_E]
    columns = {
        name: getattr(data, name)[kept_E] for name in ("users_E", "items_E", "ratings_E", "at_s_E")
    }
    return replace(data, **columns)


def draw_events(chosen_E: Flags, most: int) -> Flags:
    """Return at most `most` of the chosen events, drawn at random."""
    places = np.flatnonzero(chosen_E)
    drawn = np.random.default_rng(0).choice(places, size=min(most, len(places)), replace=False)
    kept_E = np.zeros_like(chosen_E)
    kept_E[drawn] = True
    return kept_E


def event_batches(data: RatingsSet, chosen_E: Flags, bundle: Bundle) -> Iterator[EventBatch]:
    """Yield the chosen events in order, each with all that its user did before it.

    Histories also have the items that were new to the model.
    """
    row_of_id = {item.item_id: row for row, item in enumerate(bundle.catalogue)}
    row_N = np.array([row_of_id.get(item_id, -1) for item_id in data.item_ids])
    rows_E = row_N[data.items_E]
    places_of_user = np.split(
        np.argsort(data.users_E, kind="stable"), np.cumsum(np.bincount(data.users_E))[:-1]
    )
    chosen = np.flatnonzero(chosen_E)
    limit = bundle.manifest.model.max_history
    for start in range(0, len(chosen), EVENTS_AT_ONCE):
        batch = EventBatch(histories=[], seen=[], targets=[])
        for place in chosen[start : start + EVENTS_AT_ONCE]:
            own = places_of_user[data.users_E[place]]
            before = [int(one) for one in own[: np.searchsorted(own, place)] if rows_E[one] >= 0]
            batch.histories.append(
                [_element(data, one, int(rows_E[one])) for one in before[-limit:]]
            )
            batch.seen.append(list({int(rows_E[one]) for one in before} - {int(rows_E[place])}))
            batch.targets.append(int(rows_E[place]))
        yield batch


def _element(data: RatingsSet, place: int, row: int) -> HistoryElement:
    rating = float(data.ratings_E[place])
    rated = not math.isnan(rating)
    return HistoryElement(
        row=row,
        type="rating" if rated else "view",
        rating=rating if rated else None,
        at_s=float(data.at_s_E[place]),
    )
