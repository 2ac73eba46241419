"""Facts as rows of a table of terms, and their means.

A term is an entity, or a relation as seen from one of its ends. A fact of an item is two terms: the
relation and the entity at its other end. Letters are those of `recommender.network.model`; L terms
of facts, X rows that have facts (items, or terms), Y rows of the table, W its width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """The terms of row x are `terms_L[starts_X1[x] : starts_X1[x + 1]]`, two for each fact."""

    starts_X1: Tensor  # int64
    terms_L: Tensor  # int32

    @classmethod
    def none(cls, num_rows: int) -> Links:
        """Return rows without facts."""
        starts_X1 = torch.zeros(num_rows + 1, dtype=torch.long)
        return cls(starts_X1=starts_X1, terms_L=torch.zeros(0, dtype=torch.int))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.starts_X1) - 1

    def at(self, rows_X: Tensor) -> Links:
        """Return the facts of some rows, in the given order."""
        begin_X = self.starts_X1[rows_X]
        length_X = self.starts_X1[rows_X + 1] - begin_X
        starts_X1 = _starts(length_X)
        shift_X = begin_X - starts_X1[:-1]
        place_L = torch.arange(int(starts_X1[-1]), device=rows_X.device)
        place_L = place_L + shift_X.repeat_interleave(length_X)
        return Links(starts_X1=starts_X1, terms_L=self.terms_L[place_L])

    def between(self, rows: slice) -> Links:
        """Return the facts of a range of rows."""
        first, stop, _ = rows.indices(len(self))
        starts_X1 = self.starts_X1[first : stop + 1]
        begin, end = int(starts_X1[0]), int(starts_X1[-1])
        return Links(starts_X1=starts_X1 - begin, terms_L=self.terms_L[begin:end])

    def with_more_rows(self, num_new: int) -> Links:
        """Return the same rows followed by some without facts."""
        starts_X1 = torch.cat([self.starts_X1, self.starts_X1[-1:].expand(num_new)])
        return Links(starts_X1=starts_X1, terms_L=self.terms_L)

    def at_places(self, place_T: Tensor) -> Links:
        """Return the facts with the place of each term, which is an int32."""
        return Links(starts_X1=self.starts_X1, terms_L=place_T.index_select(0, self.terms_L))

    def spread(self, places_X: Tensor, num_rows: int) -> Links:
        """Return these rows at some places, ascending, among rows without facts."""
        length_Y = self.starts_X1.new_zeros(num_rows)
        length_Y[places_X] = self._lengths()
        return Links(starts_X1=_starts(length_Y), terms_L=self.terms_L)

    def means(self, table_YW: Tensor) -> Tensor:
        """Return the mean over a row's facts of the sum of their terms; 0 for a row without."""
        if not len(self.terms_L):
            return table_YW.new_zeros(len(self), table_YW.shape[1])
        offsets_X = self.starts_X1[:-1].to(self.terms_L.dtype)
        means_XW: Tensor = F.embedding_bag(self.terms_L, table_YW, offsets_X, mode="mean")
        return 2 * means_XW

    def _lengths(self) -> Tensor:
        return self.starts_X1[1:] - self.starts_X1[:-1]


def _starts(length_X: Tensor) -> Tensor:
    return F.pad(length_X.cumsum(0), (1, 0))
