"""Counts of events by item, and of ratings: what the start of a training knows of them.

Counts of parts of the events add up exactly, so they do not depend on how the events are divided
among ranks.

I counts items, P the different pairs of an item and a rating of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from recommender.config import Signals
from trainer.data.dataset import EventTable, Floats, Ints
from trainer.machine import distributed

_NO_ROW = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCounts:
    """Counts of events by item.

    `first_seq_I` is the number of an item's first event of any kind. The rest counts targets that
    the model reads as history: `met_I` the users of an item, and `count_P` the users who gave an
    item this rating first.
    """

    items: tuple[str, ...]
    first_seq_I: Ints
    met_I: Ints
    item_P: Ints
    rating_P: Floats
    count_P: Ints

    @classmethod
    def of(cls, events: EventTable, signals: Signals) -> StartCounts:
        """Count some events; a user counts once for an item, and once among its ratings."""
        target_E = events.role_is("target") & events.attracts(signals)
        rated_E = target_E & events.first_rating_E & ~np.isnan(events.rating_E)
        first_seq_I = np.full(len(events.items), np.iinfo(np.int64).max)
        np.minimum.at(first_seq_I, events.item_E, events.seq_E)
        met = events.item_E[target_E & events.first_E]
        item_P, rating_P, count_P = _pairs(
            events.item_E[rated_E].astype(np.int64),
            events.rating_E[rated_E].astype(np.float64),
            np.ones(int(rated_E.sum()), np.int64),
        )
        return cls(
            items=events.items,
            first_seq_I=first_seq_I,
            met_I=np.bincount(met, minlength=len(events.items)),
            item_P=item_P,
            rating_P=rating_P,
            count_P=count_P,
        )

    @classmethod
    def of_all_ranks(cls, events: EventTable, signals: Signals) -> StartCounts:
        """Return the counts of all ranks' events on the first rank; on others, those of theirs."""
        mine = cls.of(events, signals)
        every = distributed.from_all(mine)
        return cls.added_up(every) if distributed.rank() == 0 else mine

    @classmethod
    def added_up(cls, parts: Sequence[StartCounts]) -> StartCounts:
        """Return the counts of all parts together."""
        if len(parts) == 1:
            return parts[0]
        numbers: dict[str, int] = {}
        places = [
            np.array([numbers.setdefault(item, len(numbers)) for item in part.items], np.int64)
            for part in parts
        ]
        first_seq_I = np.full(len(numbers), np.iinfo(np.int64).max)
        met_I = np.zeros(len(numbers), np.int64)
        for part, place in zip(parts, places, strict=True):
            np.minimum.at(first_seq_I, place, part.first_seq_I)
            met_I[place] += part.met_I
        item_P, rating_P, count_P = _pairs(
            np.concatenate([place[part.item_P] for part, place in zip(parts, places, strict=True)]),
            np.concatenate([part.rating_P for part in parts]),
            np.concatenate([part.count_P for part in parts]),
        )
        return cls(
            items=tuple(numbers),
            first_seq_I=first_seq_I,
            met_I=met_I,
            item_P=item_P,
            rating_P=rating_P,
            count_P=count_P,
        )

    def rows(self, catalogue: Catalogue) -> Ints:
        """Return the row of each item in a catalogue; −1 where the catalogue lacks it."""
        row_I = np.full(len(self.items), _NO_ROW, np.int64)
        for number, item_id in enumerate(self.items):
            row = catalogue.row(item_id)
            if row is not None:
                row_I[number] = row
        return row_I

    def by_appearance(self) -> list[CatalogueItem]:
        """Return the items by first appearance in the journal.

        Only the id is set: that is all we know of an item without a record.
        """
        order = np.argsort(self.first_seq_I, kind="stable")
        return [CatalogueItem(item_id=self.items[number]) for number in order]


def _pairs(item_X: Ints, rating_X: Floats, count_X: Ints) -> tuple[Ints, Floats, Ints]:
    """Return the different pairs of item and rating, ascending, and the sums of their counts."""
    order = np.lexsort((rating_X, item_X))
    item_X, rating_X, count_X = item_X[order], rating_X[order], count_X[order]
    begins_X = np.ones(len(item_X), np.bool_)
    begins_X[1:] = (item_X[1:] != item_X[:-1]) | (rating_X[1:] != rating_X[:-1])
    firsts = np.flatnonzero(begins_X)
    sums = np.add.reduceat(count_X, firsts) if len(firsts) else np.zeros(0, np.int64)
    return item_X[firsts], rating_X[firsts], sums
