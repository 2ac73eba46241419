"""The rows of the table of terms that a training step reads, and their learning.

A step on a part of the catalogue reads the terms of that part's facts alone, so that its time does
not grow with the table.

X  rows of the step's block      Y  terms      T  rows of the whole table      W  its width
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recommender.network.links import Links
from recommender.network.model import ItemFacts, Trained, TwoTowers
from trainer.learning.row_adam import RowAdam
from trainer.learning.trainee import Trainee


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTerms:
    """The terms of a step: their rows, a copy that gathers the gradient, and what is read.

    The links of `facts` name places among the rows.
    """

    rows_Y: Tensor
    leaf_YW: Tensor
    vectors_YW: Tensor
    facts: ItemFacts


class TermTable:
    """The table of terms of a model in training; `learning_T` marks the terms that learn."""

    def __init__(self, adam: RowAdam, facts: ItemFacts, links: Links, learning_N: Tensor) -> None:
        self._adam = adam
        self._num_items = len(links)
        self._num_terms = adam.num_rows
        self._all_T = torch.arange(self._num_terms, device=learning_N.device)
        self._is_read_T = torch.zeros_like(self._all_T, dtype=torch.bool)  # false between steps
        self._place_T = self._all_T.int()  # of the terms of a step, which sets it
        self.learning_T = torch.zeros_like(self._all_T, dtype=torch.bool)
        learning_X = learning_N.nonzero().squeeze(1)
        self.learning_T[links.at(learning_X).terms_L.long()] = True
        if facts.neighbours is not None:
            near_X = self.learning_T.nonzero().squeeze(1)
            self.learning_T[facts.neighbours.at(near_X).terms_L.long()] = True

    def read(self, facts: ItemFacts, model: Trained) -> StepTerms | None:
        """Return the terms of a block's facts, which have caught up; None for other networks."""
        if not isinstance(model, TwoTowers) or model.terms is None or facts.links is None:
            return None
        rows_Y, links, neighbours = self._all_T, facts.links, facts.neighbours
        if len(links) < self._num_items:
            rows_Y, links, neighbours = self._part(links, neighbours)
        self._adam.catch_up(rows_Y[self.learning_T[rows_Y]])
        leaf_YW = model.terms.detach()[rows_Y].requires_grad_()
        vectors_YW = model.term_vectors(neighbours, leaf_YW)
        assert vectors_YW is not None
        return StepTerms(
            rows_Y=rows_Y,
            leaf_YW=leaf_YW,
            vectors_YW=vectors_YW,
            facts=replace(facts, links=links, neighbours=neighbours),
        )

    def step(self, terms: StepTerms, *, lr: float) -> None:
        """Change the terms that learn by their gradient."""
        learning_Y = self.learning_T[terms.rows_Y]
        assert terms.leaf_YW.grad is not None
        self._adam.step(terms.rows_Y[learning_Y], terms.leaf_YW.grad[learning_Y], lr=lr)

    def _part(self, links: Links, neighbours: Links | None) -> tuple[Tensor, Links, Links | None]:
        """Return the terms of some facts, and the facts with places among these terms."""
        near_X = self._distinct(links.terms_L)
        if neighbours is None:
            return near_X, self._at_places(links, near_X), None
        further = neighbours.at(near_X)
        rows_Y = self._distinct(near_X, further.terms_L)
        links, further = self._at_places(links, rows_Y), self._at_places(further, rows_Y)
        places_X = self._place_T.index_select(0, near_X).long()
        return rows_Y, links, further.spread(places_X, len(rows_Y))

    def _distinct(self, *terms: Tensor) -> Tensor:
        """Return distinct terms, ascending, by marking them."""
        for one in terms:
            self._is_read_T[one.long()] = True
        rows_Y = self._is_read_T.nonzero().squeeze(1)
        self._is_read_T[rows_Y] = False
        return rows_Y

    def _at_places(self, links: Links, rows_Y: Tensor) -> Links:
        """Return facts with the places of their terms among the rows, which contain all of them."""
        self._place_T[rows_Y] = torch.arange(len(rows_Y), dtype=torch.int, device=rows_Y.device)
        return links.at_places(self._place_T)


def term_table(trainee: Trainee, facts: ItemFacts, learning_N: Tensor) -> TermTable | None:
    """Return the table of a trainee; None for a network without a slot of facts."""
    adam = trainee.optimizer.terms
    if adam is None or facts.links is None:
        return None
    return TermTable(adam, facts, facts.links, learning_N)
