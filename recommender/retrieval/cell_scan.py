"""Lists of a very large catalogue from a few of its cells, nearly the best ones.

The items are divided into cells of similar vectors, as inverted files do (Jégou et al. 2011). A
user's list comes from the cells whose mean has the highest product with the query, the *probes*.
The items of the highest biases, which any user may want, belong to no cell: all of them are
scanned. Without them a list would need thirty times as many probes (docs/log.md).

N items    X places, which are the items in the order of their cells    C cells    B users
D width    Q probes    L items in the probes of a user    K wanted rows
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from recommender.catalogue.catalogue import MASKS_KEPT, Mask
from recommender.retrieval.scan import (
    NO_ROW,
    KeptByMask,
    Pairs,
    Rows,
    Scan,
    best_of,
    rows_at_places,
)

HEAD_SHARE = 1 / 20  # of the items: those of the highest biases
ROWS_AT_ONCE = 65_536
# More rows than this are searched in all items, since a few cells may not have enough good ones.
MAX_FOUND = 200


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """The cell of each item, and how many cells a list comes from."""

    cells_N: Tensor
    probes: int


def save_cells(cells: Cells, file: Path) -> None:
    """Write the cells to a safetensors file."""
    save_file({"cells_N": cells.cells_N, "probes": torch.tensor(cells.probes)}, file)


def load_cells(file: Path) -> Cells:
    """Read what `save_cells` wrote; raise OSError, KeyError or SafetensorError."""
    arrays = load_file(file)
    return Cells(cells_N=arrays["cells_N"], probes=int(arrays["probes"]))


def is_head(bias_N: Tensor) -> Tensor:
    """Return whether each item has one of the highest biases."""
    head_N = torch.zeros(len(bias_N), dtype=torch.bool)
    head_N[bias_N.topk(int(HEAD_SHARE * len(bias_N)), sorted=False).indices] = True
    return head_N


def means_of(vectors_ND: Tensor, cells_N: Tensor, *, num_cells: int) -> Tensor:
    """Return the mean_CD of the vectors in each cell; zero for an empty cell."""
    sums_CD = torch.zeros(num_cells, vectors_ND.shape[1])
    for start in range(0, len(cells_N), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        sums_CD.index_add_(0, cells_N[rows].int(), vectors_ND[rows].float())
    return sums_CD / torch.bincount(cells_N, minlength=num_cells).clamp(min=1).unsqueeze(1)


class CellScan:
    """As `Scan`, with the items in the order of their cells, heads first."""

    def __init__(self, vectors_ND: Tensor, bias_N: Tensor, left_out: Rows, cells: Cells) -> None:
        num_cells = int(cells.cells_N.max()) + 1
        self._mean_DC = means_of(vectors_ND, cells.cells_N, num_cells=num_cells).T.contiguous()
        self._probes = min(cells.probes, num_cells)
        bias_N = bias_N.clone()
        bias_N[torch.from_numpy(left_out)] = -torch.inf
        head_N = is_head(bias_N)
        cell_N = cells.cells_N.long().masked_fill(head_N, -1)
        self._row_X = cell_N.argsort(stable=True)
        self._place_N = torch.empty_like(self._row_X)
        self._place_N[self._row_X] = torch.arange(len(self._row_X))
        self._num_heads = int(head_N.sum())
        self._size_C = torch.bincount(cell_N[~head_N], minlength=num_cells)
        self._first_C = self._num_heads + self._size_C.cumsum(0) - self._size_C
        self._masks = KeptByMask[Mask](MASKS_KEPT)
        self._whole = Scan(vectors_ND[self._row_X], bias_N[self._row_X], np.zeros(0, np.int64))

    def best(
        self,
        query_BD: Tensor,
        num: int,
        allowed: Sequence[Mask | None],
        excluded: Sequence[Iterable[int]],
    ) -> Tensor:
        """Return rows_BK as `Scan.best` does; those of a user without a filter come from cells."""
        place_N = self._place_N.numpy()
        excluded_places = [place_N[np.fromiter(rows, np.int64)] for rows in excluded]
        from_cells = [user for user, mask_N in enumerate(allowed) if mask_N is None]
        if num > MAX_FOUND:
            from_cells = []
        others = sorted(set(range(len(allowed))) - set(from_cells))
        places_BK = torch.full((len(query_BD), min(num, len(place_N))), NO_ROW)
        if from_cells:
            pairs = Pairs.of([excluded_places[user] for user in from_cells])
            found_BK = self._from_cells(query_BD[from_cells], num, pairs)
            places_BK[from_cells, : found_BK.shape[1]] = found_BK
        if others:
            places_BK[others] = self._whole.best(
                query_BD[others],
                num,
                [self._by_place(allowed[user]) for user in others],
                [excluded_places[user] for user in others],
            )
        return rows_at_places(places_BK, self._row_X).sort(dim=1).values

    def products(self, query_D: Tensor) -> Tensor:
        """Return the products_N of all vectors with one query, as `Scan` does."""
        return self._whole.products(query_D)[self._place_N]

    def _by_place(self, mask_N: Mask | None) -> Mask | None:
        if mask_N is None:
            return None
        return self._masks.of(mask_N, lambda one_N: one_N[self._row_X.numpy()])

    def _from_cells(self, query_BD: Tensor, num: int, pairs: Pairs) -> Tensor:
        """Return places_BK among the heads and the items of each user's probes."""
        heads = slice(0, self._num_heads)
        vectors_XD, bias_X = self._whole.vectors_ND[heads], self._whole.bias_N[heads]
        head_score_BK, head_BK = best_of(vectors_XD, bias_X, query_BD, num, pairs)
        most_excluded = int(np.bincount(pairs.users_P, minlength=1).max())
        score_BE, place_BE = self._best_in_cells(query_BD, num + most_excluded)
        score_BE = score_BE.masked_fill(pairs.contain(place_BE), -torch.inf)
        score_BF = torch.cat([head_score_BK, score_BE], dim=1)
        place_BF = torch.cat([head_BK, place_BE], dim=1)
        score_BK, index_BK = score_BF.topk(min(num, score_BF.shape[1]), sorted=False)
        return place_BF.gather(1, index_BK).masked_fill(score_BK == -torch.inf, NO_ROW)

    def _best_in_cells(self, query_BD: Tensor, num: int) -> tuple[Tensor, Tensor]:
        """Return the scores_BK and places_BK of the best items in each user's probes."""
        products_BC = (query_BD @ self._mean_DC).masked_fill(self._size_C == 0, -torch.inf)
        probes_BQ = products_BC.topk(self._probes, sorted=False).indices
        size_BQ, first_BQ = self._size_C[probes_BQ], self._first_C[probes_BQ]
        end_BQ = size_BQ.cumsum(1)
        longest = int(end_BQ[:, -1].max())
        score_BL = torch.full((len(query_BD), longest), -torch.inf)
        vectors_XD, bias_X = self._whole.vectors_ND, self._whole.bias_N
        spans = zip(first_BQ.tolist(), size_BQ.tolist(), end_BQ.tolist(), strict=True)
        for query_D, score_L, of_user in zip(query_BD, score_BL, spans, strict=True):
            for first, size, end in zip(*of_user, strict=True):
                cell = slice(first, first + size)
                torch.addmv(
                    bias_X[cell], vectors_XD[cell].float(), query_D, out=score_L[end - size : end]
                )
        score_BK, index_BK = score_BL.topk(min(num, longest), sorted=False)
        probe_BK = torch.searchsorted(end_BQ, index_BK, right=True).clamp(max=self._probes - 1)
        first_BK, start_BK = first_BQ.gather(1, probe_BK), (end_BQ - size_BQ).gather(1, probe_BK)
        return score_BK, first_BK + index_BK - start_BK
