"""Gains of rankings that include new items: of our model, and of what needs no model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.data.snapshots import Flags
from bench.ranking.cold_folds import EventBatch, Fold, draw_events, event_batches
from bench.report.labels import NEW_AMONG_ALL, NEW_AMONG_NEW
from recommender.bundle import Bundle
from recommender.ranking.ranker import Ranker
from trainer.evaluation.metrics import TOP, ndcg

NUMBERS_OF_NEIGHBOURS = (1, 3, 10, 30, 100)
TUNING_EVENTS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Gains:
    """Of each scored event NDCG@10, and 1 if the item was among the ten."""

    ndcg_X: list[float]
    hit_X: list[float]


def gains_of(
    batches: Sequence[EventBatch], ranker: Ranker, allowed_N: Flags, score_N: Tensor | None = None
) -> Gains:
    """Rank the allowed items for every event.

    The scores are the ranker's own, or `score_N` for all users.
    """
    gains = Gains(ndcg_X=[], hit_X=[])
    for batch in batches:
        num = len(batch.targets)
        scores_BN = (
            ranker.scores(ranker.user_states(batch.histories))
            if score_N is None
            else score_N.expand(num, -1)
        )
        tops = ranker.top_k(scores_BN, [TOP] * num, [allowed_N] * num, batch.seen)
        for (rows, _), target in zip(tops, batch.targets, strict=True):
            gains.ndcg_X.append(ndcg(rows, target))
            gains.hit_X.append(float(target in rows))
    return gains


def random_gains(batches: Sequence[EventBatch], allowed_N: Flags) -> Gains:
    """Return the expected gains of a random order.

    Each of the n open items has every place with probability 1 / n.
    """
    gains = Gains(ndcg_X=[], hit_X=[])
    for batch in batches:
        for seen in batch.seen:
            num_open = int(allowed_N.sum()) - int(allowed_N[seen].sum())
            places = range(1, min(TOP, num_open) + 1)
            gains.ndcg_X.append(sum(1.0 / math.log2(place + 1) for place in places) / num_open)
            gains.hit_X.append(min(1.0, TOP / num_open))
    return gains


def neighbour_popularity(bundle: Bundle, new_N: Flags, num_neighbours: int) -> Tensor:
    """Return log(1 + count) of known items, and its mean over text neighbours for new ones.

    Neighbours are the nearest known items by the cosine of whitened texts.
    """
    popularity_N = torch.log1p(bundle.counts_N)
    has_text_N, counts_N = bundle.facts.has_text_N.numpy(), bundle.counts_N.numpy()
    new_rows = np.flatnonzero(new_N)
    known_rows = np.flatnonzero(~new_N & has_text_N & (counts_N > 0))
    cosine_CK = bundle.facts.texts_NT[new_rows] @ bundle.facts.texts_NT[known_rows].T
    nearest_CK = cosine_CK.topk(min(num_neighbours, len(known_rows)), dim=1).indices
    popularity_N[new_rows] = popularity_N[known_rows][nearest_CK].mean(1)
    return popularity_N


def choose_neighbours(fold: Fold, bundle: Bundle, flags_of: Mapping[str, Flags]) -> dict[str, int]:
    """Choose the number of neighbours for either ranking of new items.

    It is chosen on known items that are treated as new, with events of users who were trained on.
    """
    tuned_E = fold.tuned_N[fold.data.items_E] & ~fold.panel_U[fold.data.users_E]
    batches = list(event_batches(fold.data, draw_events(tuned_E, TUNING_EVENTS), bundle))
    ranker = Ranker(bundle)
    allowed = {NEW_AMONG_ALL: ~flags_of["new"], NEW_AMONG_NEW: flags_of["tuned"]}
    chosen = {}
    for ranking, allowed_N in allowed.items():
        mean_of = {}
        for number in NUMBERS_OF_NEIGHBOURS:
            treated_N = flags_of["tuned"] | flags_of["new"]
            popularity_N = neighbour_popularity(bundle, treated_N, number)
            gains = gains_of(batches, ranker, allowed_N, popularity_N)
            mean_of[number] = float(np.mean(gains.ndcg_X))
        chosen[ranking] = max(NUMBERS_OF_NEIGHBOURS, key=mean_of.__getitem__)
    return chosen
