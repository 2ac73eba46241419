"""The best rows of each user in a large catalogue, by one pass over all item vectors.

The vectors are in bfloat16 where the processor multiplies it in hardware. They take half of the
memory then, and a product a third to half of the time, so the best rows are found nearly. Whoever
asks wants a few more rows than it needs, and ranks them by exact scores
(`recommender.ranking.ranker`).

A pass keeps no scores, but the highest one of each block of rows. As many blocks as rows are
wanted have all of the best rows, and only their scores are computed again. The work has the same
shape for every user, so there is no loop over the users of a batch.

N items    X items that a filter left    B users    D width    C rows of a chunk    G blocks
K wanted rows    R rows of a user's K best blocks    P pairs of a user and an excluded row
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recommender.catalogue.catalogue import Mask

CHUNK = 16_384  # rows that are scored at once; 64 users' scores then take 4 MB
BLOCK = 16  # rows of a chunk that have one highest score
GROUP = 16  # blocks that have one highest score
BLOCKS = CHUNK // BLOCK  # of a chunk
USERS_AT_ONCE = 64
# Rows whose vectors are gathered at once: 32 MB at the default width in full precision.
GATHERED_AT_ONCE = 131_072
# A filter that leaves at most this share of the items is answered from a copy of their vectors;
# beyond it the copy takes longer than scoring all items and leaving some out.
COPIED_SHARE = 1 / 8
COPIES_KEPT = 4
NO_ROW = -1  # in place of a row, where fewer are left than are wanted

Rows = npt.NDArray[np.int64]
T = TypeVar("T")


class KeptByMask(Generic[T]):
    """What was made from the newest masks.

    The masks are kept too, so that no other object gets the identity of one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[int, tuple[Mask, T]] = {}

    def of(self, mask_N: Mask, make: Callable[[Mask], T]) -> T:
        """Return what was made from this mask object before, or make it now."""
        if id(mask_N) not in self._kept:
            if len(self._kept) == self._most:
                del self._kept[next(iter(self._kept))]
            self._kept[id(mask_N)] = (mask_N, make(mask_N))
        return self._kept[id(mask_N)][1]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Copy:
    """The items that a filter leaves: their rows, and a copy of their vectors and biases."""

    rows_X: Tensor
    vectors_XD: Tensor
    bias_X: Tensor


class Scan:
    """The vectors and biases of all items. Those of `left_out` are never found."""

    def __init__(self, vectors_ND: Tensor, bias_N: Tensor, left_out: Rows) -> None:
        self.vectors_ND = vectors_ND
        self.bias_N = bias_N.clone()
        self.bias_N[torch.from_numpy(left_out)] = -torch.inf
        self._copies = KeptByMask[_Copy | None](COPIES_KEPT)

    def best(
        self,
        query_BD: Tensor,
        num: int,
        allowed: Sequence[Mask | None],
        excluded: Sequence[Iterable[int]],
    ) -> Tensor:
        """Return the rows_BK of the nearly highest products plus bias, K at most `num`.

        Rows are ascending. Where a user has fewer than K rows left, NO_ROW precedes them. Users
        whose masks are the same object share one pass.
        """
        num = min(num, len(self.bias_N))
        rows_BK = torch.full((len(query_BD), num), NO_ROW)
        at_once = max(1, min(USERS_AT_ONCE, GATHERED_AT_ONCE // (BLOCK * max(1, num))))
        for users in _same_masks(allowed):
            for start in range(0, len(users), at_once):
                some = users[start : start + at_once]
                pairs = Pairs.of([excluded[user] for user in some])
                found_BK = self._best(query_BD[some], num, allowed[some[0]], pairs)
                rows_BK[some, : found_BK.shape[1]] = found_BK
        return rows_BK.sort(dim=1).values

    def products(self, query_D: Tensor) -> Tensor:
        """Return the products_N of all vectors with one query, without biases.

        They are summed in single precision, since those of similar items differ little.
        """
        products_N = torch.empty(len(self.bias_N))
        for start in range(0, len(products_N), CHUNK):
            rows = slice(start, start + CHUNK)
            products_N[rows] = self.vectors_ND[rows].float() @ query_D
        return products_N

    def _best(self, query_BD: Tensor, num: int, mask_N: Mask | None, pairs: Pairs) -> Tensor:
        if mask_N is None:
            return best_of(self.vectors_ND, self.bias_N, query_BD, num, pairs)[1]
        copy = self._copies.of(mask_N, self._copy)
        if copy is None:
            bias_N = torch.where(torch.from_numpy(mask_N), self.bias_N, -torch.inf)
            return best_of(self.vectors_ND, bias_N, query_BD, num, pairs)[1]
        pairs = pairs.among(copy.rows_X.numpy())
        _, places_BK = best_of(copy.vectors_XD, copy.bias_X, query_BD, num, pairs)
        return rows_at_places(places_BK, copy.rows_X)

    def _copy(self, mask_N: Mask) -> _Copy | None:
        """Return a copy of the items of a mask; None where there are too many for one."""
        rows_X = torch.from_numpy(np.flatnonzero(mask_N))
        if len(rows_X) > COPIED_SHARE * len(mask_N):
            return None
        return _Copy(
            rows_X=rows_X,
            vectors_XD=self.vectors_ND.index_select(0, rows_X),
            bias_X=self.bias_N[rows_X],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Excluded rows by user, ordered by row."""

    rows_P: Rows
    users_P: Rows

    @classmethod
    def of(cls, excluded: Sequence[Iterable[int]]) -> Pairs:
        """Return the pairs of every user with the rows that are excluded for it."""
        rows = [np.fromiter(one, np.int64) for one in excluded]
        rows_P = np.concatenate([np.zeros(0, np.int64), *rows])
        users_P = np.repeat(np.arange(len(rows)), [len(one) for one in rows])
        order_P = np.argsort(rows_P, kind="stable")
        return cls(rows_P=rows_P[order_P], users_P=users_P[order_P])

    def among(self, kept_X: Rows) -> Pairs:
        """Return the pairs whose row is one of `kept_X`, with its place there instead."""
        places_P = np.searchsorted(kept_X, self.rows_P)
        places_P[places_P == len(kept_X)] = 0
        is_kept_P = kept_X[places_P] == self.rows_P if len(kept_X) else places_P < 0
        return Pairs(rows_P=places_P[is_kept_P], users_P=self.users_P[is_kept_P])

    def contain(self, rows_BR: Tensor) -> Tensor:
        """Return whether each user's rows are excluded for that user."""
        if not len(self.rows_P):
            return torch.zeros_like(rows_BR, dtype=torch.bool)
        num_users = len(rows_BR)
        keys_P = self.rows_P * num_users + self.users_P
        keys_P.sort()
        asked_BR = (rows_BR * num_users + torch.arange(num_users).unsqueeze(1)).numpy()
        places_BR = np.searchsorted(keys_P, asked_BR).clip(max=len(keys_P) - 1)
        return torch.from_numpy(keys_P[places_BR] == asked_BR)


def _same_masks(allowed: Sequence[Mask | None]) -> Iterable[list[int]]:
    groups: dict[int, list[int]] = {}
    for user, mask_N in enumerate(allowed):
        groups.setdefault(id(mask_N), []).append(user)
    return groups.values()


def rows_at_places(places: Tensor, rows_X: Tensor) -> Tensor:
    """Return the rows at some places; NO_ROW stays."""
    is_known, rows = places != NO_ROW, places.clone()
    rows[is_known] = rows_X[places[is_known]]
    return rows


def best_of(
    vectors_XD: Tensor, bias_X: Tensor, query_BD: Tensor, num: int, pairs: Pairs
) -> tuple[Tensor, Tensor]:
    """Return the scores_BK and rows_BK that `Scan.best` finds, of these items and in no order."""
    num = min(num, len(bias_X))
    if not num or not len(query_BD):
        return torch.zeros(len(query_BD), num), torch.full((len(query_BD), num), NO_ROW)
    blocks_BK = _best_blocks(_highest_of_blocks(vectors_XD, bias_X, query_BD, pairs), num)
    first_BK = blocks_BK // BLOCKS * CHUNK + blocks_BK % BLOCKS
    rows_BR = (first_BK.unsqueeze(2) + torch.arange(BLOCK) * BLOCKS).flatten(1)
    exists_BR = rows_BR < len(bias_X)
    rows_BR.clamp_(max=len(bias_X) - 1)
    vectors_BRD = vectors_XD.index_select(0, rows_BR.view(-1)).view(*rows_BR.shape, -1)
    products_BR = (vectors_BRD * query_BD.unsqueeze(1)).sum(2)
    is_left_BR = exists_BR & ~pairs.contain(rows_BR)
    scores_BR = torch.where(is_left_BR, products_BR + bias_X[rows_BR], -torch.inf)
    score_BK, places_BK = scores_BR.topk(num, sorted=False)
    found_BK = rows_BR.gather(1, places_BK)
    return score_BK, torch.where(score_BK == -torch.inf, NO_ROW, found_BK)


def _highest_of_blocks(
    vectors_XD: Tensor, bias_X: Tensor, query_BD: Tensor, pairs: Pairs
) -> Tensor:
    """Return the highest score in each block, −inf where nothing is left in it.

    Row r of a chunk is in its block r mod BLOCKS, so that a maximum reads memory in its order.
    """
    num_users, num_chunks = len(query_BD), -(-len(bias_X) // CHUNK)
    query_DB = query_BD.to(vectors_XD.dtype).T.contiguous()
    products_CB = torch.empty(CHUNK, num_users, dtype=vectors_XD.dtype)
    scores_CB = torch.empty(CHUNK, num_users)
    highest_GB = torch.empty(num_chunks * BLOCKS, num_users)
    cuts = np.searchsorted(pairs.rows_P, np.arange(num_chunks + 1) * CHUNK)
    excluded_P = torch.from_numpy(pairs.rows_P % CHUNK * num_users + pairs.users_P)
    for chunk in range(num_chunks):
        rows = slice(chunk * CHUNK, min((chunk + 1) * CHUNK, len(bias_X)))
        num_rows = rows.stop - rows.start
        torch.mm(vectors_XD[rows], query_DB, out=products_CB[:num_rows])
        torch.add(products_CB[:num_rows], bias_X[rows, None], out=scores_CB[:num_rows])
        scores_CB[num_rows:] = -torch.inf
        scores_CB.view(-1)[excluded_P[cuts[chunk] : cuts[chunk + 1]]] = -torch.inf
        blocks = slice(chunk * BLOCKS, (chunk + 1) * BLOCKS)
        torch.amax(scores_CB.view(BLOCK, BLOCKS, num_users), 0, out=highest_GB[blocks])
    return highest_GB


def _best_blocks(highest_GB: Tensor, num: int) -> Tensor:
    """Return blocks_BK with the highest scores, by groups first."""
    num_users = highest_GB.shape[1]
    num_groups = len(highest_GB) // GROUP
    of_groups_BG = highest_GB.view(GROUP, num_groups, num_users).amax(0).T.contiguous()
    groups_BK = of_groups_BG.topk(min(num, num_groups), sorted=False).indices
    blocks_BG = (groups_BK.unsqueeze(2) + torch.arange(GROUP) * num_groups).flatten(1)
    highest_BG = highest_GB[blocks_BG, torch.arange(num_users).unsqueeze(1)]
    best_BK = highest_BG.topk(min(num, highest_BG.shape[1]), sorted=False).indices
    return blocks_BG.gather(1, best_BK)
