"""Popularity and EASE, the two contestants without gradients."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from bench.data.leave_one_out import RankingResult, Split, score_gains

Rows = NDArray[np.int64]
USERS_AT_ONCE = 100  # few, so that their histories have few of the items of a sparse set
# the best λ on the tuning event (docs/log.md)
EASE_REGULARISATION = {"ml-100k": 100.0, "ml-1m": 300.0, "beauty": 100.0}


def popularity(split: Split) -> RankingResult:
    """Rank items by their number of events."""
    counts_N = np.bincount(
        split.data.items_E[split.train_E], minlength=len(split.data.item_ids)
    ).astype(np.float32)
    return RankingResult(
        ndcg_U=_gains(split, lambda histories: np.tile(counts_N, (len(histories), 1))),
        seconds=0.0,
        cpu_s=0.0,
    )


def ease(split: Split, regularisation: float) -> RankingResult:
    """Rank items by EASE (Steck 2019).

    P is the inverse of the item co-occurrences plus λ on the diagonal; B = −P / diag(P) off the
    diagonal and 0 on it; the scores of a history x are x B.
    """
    began, began_cpu = time.monotonic(), time.process_time()
    num_items = len(split.data.item_ids)
    gram_NN = np.zeros((num_items, num_items), np.float32)
    for histories in _portions(split):
        rows, column_H = np.unique(np.concatenate(histories), return_inverse=True)
        seen_BI = np.zeros((len(histories), len(rows)), np.float32)
        seen_BI[
            np.repeat(np.arange(len(histories)), [len(history) for history in histories]), column_H
        ] = 1.0
        gram_NN[np.ix_(rows, rows)] += seen_BI.T @ seen_BI
    gram_NN[np.diag_indices(num_items)] += regularisation
    inverse_NN = np.linalg.inv(gram_NN)
    weights_NN = -inverse_NN / np.diag(inverse_NN)
    np.fill_diagonal(weights_NN, 0.0)
    seconds, cpu_s = time.monotonic() - began, time.process_time() - began_cpu
    gains = _gains(
        split,
        lambda histories: np.stack(
            [weights_NN[np.unique(history)].sum(0) for history in histories]
        ),
    )
    return RankingResult(ndcg_U=gains, seconds=seconds, cpu_s=cpu_s)


def _gains(split: Split, scores_of: Callable[[list[Rows]], NDArray[np.float32]]) -> list[float]:
    """Return the gain of each asked user, users in order."""
    gains: list[float] = []
    for number, histories in enumerate(_portions(split)):
        seen_BN = np.zeros((len(histories), len(split.data.item_ids)), np.bool_)
        for user, history in enumerate(histories):
            seen_BN[user, history] = True
        first = number * USERS_AT_ONCE
        gains += score_gains(
            scores_of(histories), seen_BN, split.targets_U[first : first + len(histories)]
        ).tolist()
    return gains


def _portions(split: Split) -> Iterator[list[Rows]]:
    """Yield the histories of a few users at a time, all users in order."""
    users_E, items_E = split.data.users_E[split.train_E], split.data.items_E[split.train_E]
    order = np.argsort(users_E, kind="stable")
    histories = np.split(
        items_E[order], np.searchsorted(users_E[order], np.arange(1, split.data.num_users))
    )
    for first in range(0, len(histories), USERS_AT_ONCE):
        yield histories[first : first + USERS_AT_ONCE]
