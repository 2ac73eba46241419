"""Popularity and EASE, the two contestants that need no gradient."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from bench.leave_one_out import Scored, Split, score_gains

USERS_AT_ONCE = 1_000
# of 30, 100, 300, 500, 1,000 the best on the tuning event (docs/log.md)
EASE_REGULARISATION = {"ml-100k": 100.0, "ml-1m": 500.0, "beauty": 100.0}


def popularity(split: Split) -> Scored:
    """Rank by how many events an item has."""
    counts_N = np.bincount(split.data.items_E[split.train_E], minlength=len(split.data.item_ids)).astype(np.float32)
    gains = [score_gains(np.tile(counts_N, (len(seen_BN), 1)), seen_BN, target_B) for seen_BN, target_B in _users(split)]
    return Scored(ndcg_U=np.concatenate(gains).tolist(), seconds=0.0)


def ease(split: Split, regularisation: float) -> Scored:
    """EASE (Steck 2019): B = −P / diag(P) off the diagonal, P the inverse of the item co-occurrences plus λ; scores are x B."""
    began = time.monotonic()
    data, num_items = split.data, len(split.data.item_ids)
    gram_NN = np.zeros((num_items, num_items), np.float32)
    for seen_BN, _ in _users(split):
        gram_NN += seen_BN.astype(np.float32).T @ seen_BN.astype(np.float32)
    gram_NN[np.diag_indices(num_items)] += regularisation
    inverse_NN = np.linalg.inv(gram_NN)
    weights_NN = -inverse_NN / np.diag(inverse_NN)
    np.fill_diagonal(weights_NN, 0.0)
    seconds = time.monotonic() - began
    gains = [score_gains(seen_BN.astype(np.float32) @ weights_NN, seen_BN, target_B) for seen_BN, target_B in _users(split)]
    assert sum(map(len, gains)) == int((split.targets_U >= 0).sum()), data.name
    return Scored(ndcg_U=np.concatenate(gains).tolist(), seconds=seconds)


def _users(split: Split) -> list[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """Return by portions of users which items they have seen, and their targets."""
    users_E, items_E = split.data.users_E[split.train_E], split.data.items_E[split.train_E]
    targets_U = split.targets_U
    portions = []
    for first in range(0, split.data.num_users, USERS_AT_ONCE):
        last = min(first + USERS_AT_ONCE, split.data.num_users)
        seen_BN = np.zeros((last - first, len(split.data.item_ids)), np.bool_)
        mine_E = (users_E >= first) & (users_E < last)
        seen_BN[users_E[mine_E] - first, items_E[mine_E]] = True
        portions.append((seen_BN, targets_U[first:last]))
    return portions
