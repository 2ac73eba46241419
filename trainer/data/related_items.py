"""The items that an entity is related to, by facts or by attributes that count as facts.

Few of them are asked for: two say that the entity is shared.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.knowledge_graph import MAX_LINKS, Adjacency, KnowledgeGraph
from trainer.data.text_arrays import array_of, places_among

_ONE_BY_ONE = 32  # ends of facts that are looked up before all are


class RelatedItems:
    """The items of a catalogue by what they are related to."""

    def __init__(self, catalogue: Catalogue, relations: Sequence[str]) -> None:
        self._catalogue = catalogue
        self._relations = relations
        self._item_ids = catalogue.ids
        self._shared: dict[str, bool] = {}

    def is_shared(self, entity_id: str) -> bool:
        """Return whether two items or more are related to an entity or a value."""
        if entity_id not in self._shared:
            self._shared[entity_id] = len(self.two_of(entity_id)) == 2
        return self._shared[entity_id]

    def two_of(self, entity_id: str, *, without: Container[int] = ()) -> frozenset[int]:
        """Return the rows of two items that are related to an entity, or of fewer if there are.

        Items of `without` are left out.
        """
        found: set[int] = set()
        for row in self._rows(entity_id):
            if row not in without:
                found.add(row)
            if len(found) == 2:
                break
        return frozenset(found)

    def _rows(self, entity_id: str) -> Iterator[int]:
        graph = self._catalogue.graph
        entity = graph.entity(entity_id) if graph is not None else None
        if graph is not None and entity is not None:
            yield from self._rows_of_ends(graph, entity, graph.by_tail, graph.by_head)
            yield from self._rows_of_ends(graph, entity, graph.by_head, graph.by_tail)
        for name in self._relations:
            yield from self._catalogue.rows_with(name, entity_id).tolist()

    def _rows_of_ends(
        self, graph: KnowledgeGraph, entity: int, own: Adjacency, theirs: Adjacency
    ) -> Iterator[int]:
        """Yield the items at the other ends of an entity's facts at one end."""
        begin, end = own.starts_E1[entity : entity + 2]
        others = own.entity_F[begin:end]
        found = chain(
            self._looked_up(graph, others[:_ONE_BY_ONE].tolist()),
            self._found_at_once(graph, others[_ONE_BY_ONE:]),
        )
        for other, row in found:
            if _reads(theirs, other, entity):
                yield row

    def _looked_up(self, graph: KnowledgeGraph, others: Iterable[int]) -> Iterator[tuple[int, int]]:
        for other in others:
            row = self._catalogue.row(graph.ids_E[other] or "")
            if row is not None:
                yield other, row

    def _found_at_once(
        self, graph: KnowledgeGraph, others: npt.NDArray[np.int32]
    ) -> Iterator[tuple[int, int]]:
        """Yield entities that are items with their rows; one pass over all items finds them."""
        if not len(others):
            return
        ids = array_of(graph.ids_E).take(pa.array(others))
        place_N = places_among(array_of(self._item_ids), ids)
        rows_X = np.flatnonzero(place_N >= 0)
        yield from zip(others[place_N[rows_X]].tolist(), rows_X.tolist(), strict=True)


def _reads(adjacency: Adjacency, item: int, entity: int) -> bool:
    """Return whether an entity is in the facts of an item that are read."""
    if adjacency.num_of(item) <= MAX_LINKS:
        return True
    return any(other == entity for _, other in adjacency.of_entity(item, MAX_LINKS))
