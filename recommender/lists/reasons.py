"""The reasons for recommended items: near items of the history, facts, popularity, novelty.

A history item's share in a recommended item is the cosine of their vectors over the sum of the
positive cosines of all items of the history. Free texts, items whose cosine is not positive, and
items that the user rated below the mean rating have no share.

X  distinct items    K  recommended items of a user    L  items of a user's history    D  width
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recommender.catalogue.attribute_index import Value
from recommender.catalogue.catalogue import Catalogue
from recommender.lists.fact_paths import FactPaths
from recommender.ranking.history_columns import HistoryColumns
from recommender.ranking.ranker import Ranker
from recommender.requests.wire import JsonObject

NEAREST = 3  # items of the history in a reason
# An item with fewer interactions than this in the release's counts is new.
NEW_BELOW = 5
# Popular items are this share of the catalogue, but at least MIN_POPULAR.
POPULAR_SHARE = 0.01
MIN_POPULAR = 10
SHARE_DECIMALS = 4

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonsQuestion:
    """A user's history and the rows that were recommended."""

    history: HistoryColumns
    rows: Sequence[int]


def reasons(ranker: Ranker, asked: Sequence[ReasonsQuestion]) -> list[list[JsonObject]]:
    """Return the reason of each recommended row, by user. All vectors are looked up together."""
    liked = [_liked_rows(ranker, one.history) for one in asked]
    recommended = [np.array(one.rows, np.int64) for one in asked]
    rows_X = np.unique(np.concatenate([np.zeros(0, np.int64), *liked, *recommended]))
    unit_XD = torch.nn.functional.normalize(ranker.vectors(torch.from_numpy(rows_X)), dim=1)
    found = _Reasons(ranker)
    answers = []
    for liked_L, recommended_K in zip(liked, recommended, strict=True):
        share_KL = _shares(
            unit_XD[np.searchsorted(rows_X, recommended_K)],
            unit_XD[np.searchsorted(rows_X, liked_L)],
            is_same_KL=torch.from_numpy(recommended_K[:, None] == liked_L),
        )
        explained = [
            found.reason(row, liked_L.tolist(), share_L)
            for row, share_L in zip(recommended_K.tolist(), share_KL, strict=True)
        ]
        if found.facts.has_facts:
            history = found.facts.nodes_of(liked_L.tolist())
            for row, reason in zip(recommended_K.tolist(), explained, strict=True):
                reason["facts"] = found.facts.paths(row, history)
        answers.append(explained)
    return answers


def _liked_rows(ranker: Ranker, history: HistoryColumns) -> Rows:
    """Return the distinct items of a history that may be a reason, newest first."""
    mean, num_items = ranker.rating_mean, len(ranker.catalogue)
    liked = [
        row
        for row, rating in zip(history.rows, history.ratings, strict=True)
        if row < num_items and (rating is None or rating >= mean)
    ]
    return np.fromiter(dict.fromkeys(reversed(liked)), np.int64)


def _shares(unit_KD: Tensor, unit_LD: Tensor, *, is_same_KL: Tensor) -> npt.NDArray[np.float32]:
    # that the user has seen an item is no reason for it
    cosine_KL = (unit_KD @ unit_LD.T).clamp(min=0.0).masked_fill(is_same_KL, 0.0)
    sum_K1 = cosine_KL.sum(1, keepdim=True)
    share_KL: npt.NDArray[np.float32] = torch.where(sum_K1 > 0, cosine_KL / sum_K1, 0.0).numpy()
    return share_KL


class _Reasons:
    """Makes the reasons of one batch; it looks up each item's attributes once."""

    def __init__(self, ranker: Ranker) -> None:
        self._catalogue: Catalogue = ranker.catalogue
        self._counts_N = ranker.bundle.counts_N
        num_popular = max(MIN_POPULAR, int(POPULAR_SHARE * len(self._catalogue)))
        self._popular = frozenset(ranker.popular_rows(num_popular).tolist())
        self._attributes: dict[int, dict[str, list[str | float]]] = {}
        self.facts = FactPaths(self._catalogue, ranker.bundle.manifest.relations)

    def reason(
        self, row: int, liked: Sequence[int], share_L: npt.NDArray[np.float32]
    ) -> JsonObject:
        """Return why a row was recommended; equal shares go to the newer item."""
        best = np.argsort(-share_L, kind="stable")[:NEAREST].tolist()
        nearest = [(liked[place], float(share_L[place])) for place in best if share_L[place] > 0]
        return {
            "nearest": [self._near(near, share) for near, share in nearest],
            "shared": self._shared_values(row, [near for near, _ in nearest]),
            "popular": row in self._popular,
            "new": bool(self._counts_N[row] < NEW_BELOW),
        }

    def _near(self, row: int, share: float) -> JsonObject:
        item_id, title = self._catalogue.name(row)
        return {"id": item_id, "title": title, "share": round(share, SHARE_DECIMALS)}

    def _shared_values(self, row: int, others: Sequence[int]) -> JsonObject:
        """Return the values of the item's attributes that one of the others has too, by name."""
        theirs = [self._values(other) for other in others]
        shared: JsonObject = {}
        for name, values in self._values(row).items():
            common = [one for one in values if any(one in of.get(name, ()) for of in theirs)]
            if common:
                shared[name] = common
        return shared

    def _values(self, row: int) -> dict[str, list[str | float]]:
        known = self._attributes.get(row)
        if known is None:
            attributes = self._catalogue[row].attributes
            known = {name: _value_list(value) for name, value in attributes.items()}
            self._attributes[row] = known
        return known


def _value_list(value: Value) -> list[str | float]:
    """Return the values of an attribute; a whole number is written without a fraction."""
    values = value if isinstance(value, tuple) else (value,)
    return [_plain_number(one) for one in values]


def _plain_number(value: str | float) -> str | float:
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value
