"""First values of the terms of facts: the principal components of the facts of items.

Each item is the mean of its facts' entities, weighted by how few items each of them is related to,
as words are in the retrieval of texts. The components come from subspace iteration (Halko et al.
2011, algorithm 4.4). An item's vector is then whitened, as those of texts are: items with common
facts are alike before training begins. From zeros, nothing tells facts apart at first, and a
training ends before they are (docs/log.md).

N  items      T  terms      L  terms of facts      K  components looked for      W  width
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recommender.arrays.text_column import TextColumn
from recommender.network.links import Links
from trainer.data.fact_terms import ENTITY

# Neither was searched.
MORE_COMPONENTS = 8  # looked for and dropped, which makes those that stay more exact
ITERATIONS = 4
MIN_SHARE = 1e-3  # of the largest deviation; components with less become zero


def principal_terms(links: Links, names: TextColumn, *, width: int, seed: int) -> Tensor:
    """Return vectors_TW of terms that give the items vectors of unit variance and mean zero.

    Those of relations are zero, and so is what is beyond the rank of the facts.
    """
    entity_T = torch.tensor([(name or "").startswith(ENTITY) for name in names])
    facts = _WeightedFacts.of(links, entity_T)
    terms_TW = torch.zeros(len(names), width)
    num_found = min(width + MORE_COMPONENTS, len(facts.has_N), len(names))
    generator = torch.Generator().manual_seed(seed)
    spread_TK = torch.randn(len(names), num_found, generator=generator)
    for _ in range(ITERATIONS):
        basis_NK = torch.linalg.qr(facts.items(spread_TK)).Q
        spread_TK = torch.linalg.qr(facts.terms(basis_NK)).Q
    basis_NK = torch.linalg.qr(facts.items(spread_TK)).Q
    seen_TK = facts.terms(basis_NK)
    square_K, turn_KK = torch.linalg.eigh(seen_TK.T @ seen_TK)
    square_K, turn_KK = square_K.flip(0)[:width], turn_KK.flip(1)[:, :width]
    kept_K = square_K > MIN_SHARE**2 * square_K[0].clamp(min=1e-12)
    scale_K = torch.where(kept_K, square_K.clamp(min=1e-12).reciprocal(), 0.0)
    scale_K = scale_K * facts.has_N.sum().sqrt()
    found_TK = facts.weight_T1 * (seen_TK @ turn_KK) * scale_K
    terms_TW[:, : found_TK.shape[1]] = found_TK
    mean_W = links.means(terms_TW)[facts.has_N].mean(0)
    terms_TW[entity_T] -= mean_W.nan_to_num(0.0)
    return terms_TW


@dataclass(frozen=True, slots=True, kw_only=True)
class _WeightedFacts:
    """The centred matrix of items by terms, as its products with others."""

    links: Links
    owner_L: Tensor
    has_N: Tensor
    weight_T1: Tensor

    @classmethod
    def of(cls, links: Links, entity_T: Tensor) -> _WeightedFacts:
        """Weight each entity by the logarithm of items per item that it is related to."""
        length_N = links.starts_X1.diff()
        owner_L = torch.arange(len(links)).repeat_interleave(length_N)
        pairs_P = (links.terms_L.long() * max(1, len(links)) + owner_L).unique()  # type: ignore[no-untyped-call]
        num_T = (pairs_P // max(1, len(links))).bincount(minlength=len(entity_T))
        has_N = length_N > 0
        weight_T = (has_N.sum().clamp(min=1) / num_T.clamp(min=1)).log() * entity_T
        return cls(links=links, owner_L=owner_L, has_N=has_N, weight_T1=weight_T.unsqueeze(1))

    def items(self, of_terms_TK: Tensor) -> Tensor:
        """Return the product with a matrix of terms."""
        return self._less_mean(self.links.means(self.weight_T1 * of_terms_TK))

    def terms(self, of_items_NK: Tensor) -> Tensor:
        """Return the product of the transposed matrix with a matrix of items."""
        share_N1 = 2.0 / self.links.starts_X1.diff().clamp(min=1).unsqueeze(1)
        shared_NK = self._less_mean(of_items_NK) * share_N1
        whole_TK = torch.zeros(len(self.weight_T1), of_items_NK.shape[1])
        whole_TK.index_add_(0, self.links.terms_L.long(), shared_NK[self.owner_L])
        return whole_TK * self.weight_T1

    def _less_mean(self, of_items_NK: Tensor) -> Tensor:
        has_N1 = self.has_N.unsqueeze(1)
        kept_NK = of_items_NK * has_N1
        return kept_NK - has_N1 * kept_NK.sum(0) / has_N1.sum().clamp(min=1)
