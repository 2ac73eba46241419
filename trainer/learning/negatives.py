"""The negatives of a sampled softmax: items drawn by popularity, the same on every rank.

Letters as in `recommender.network.model`; C negatives, X rows of a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# as word2vec draws them (Mikolov et al. 2013)
POPULARITY_POWER = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Negatives:
    """Drawn items, with repetition, and the log of the expected number of draws of each.

    `places_C` are rows of the catalogue when drawn, and places in a block after `at_places`.
    """

    places_C: Tensor
    log_expected_C: Tensor

    def at_places(self, rows_X: Tensor) -> Negatives:
        """Return the negatives as places in a block of rows, which contains them."""
        return Negatives(
            places_C=torch.searchsorted(rows_X, self.places_C), log_expected_C=self.log_expected_C
        )


class NegativeSampler:
    """Draws items in proportion to (count + 1)^.75.

    The time of a draw hardly grows with the catalogue. It draws on the CPU, so that all ranks draw
    the same from the same generator.
    """

    def __init__(self, counts_N: Tensor, num_negatives: int) -> None:
        share_N = (counts_N.detach().cpu().double() + 1.0).pow(POPULARITY_POWER)
        self._cumulative_N = share_N.cumsum(0) / share_N.sum()
        self._log_expected_N = (num_negatives * share_N / share_N.sum()).log().float()
        self._num_negatives = num_negatives
        self._device = counts_N.device

    def draw(self, generator: torch.Generator) -> Negatives:
        """Draw independently, with repetition."""
        point_C = torch.rand(self._num_negatives, generator=generator, dtype=torch.float64)
        rows_C = torch.searchsorted(self._cumulative_N, point_C, right=True)
        rows_C = rows_C.clamp(max=len(self._cumulative_N) - 1)  # the last sum may round below 1
        return Negatives(
            places_C=rows_C.to(self._device),
            log_expected_C=self._log_expected_N[rows_C].to(self._device),
        )
