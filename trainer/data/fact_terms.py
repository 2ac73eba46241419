"""The facts of items as terms of the network: which there are, and which items have them.

Terms keep their rows when facts change; new ones follow. Letters are those of
`recommender.network.links`; K entities, E entities of the graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from recommender.arrays.text_column import TextColumn, encode
from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.knowledge_graph import MAX_LINKS, Adjacency, KnowledgeGraph
from recommender.network.links import Links
from trainer.data.text_arrays import array_of, column_of, places_among

ENTITY, AS_HEAD, AS_TAIL = "=", ">", "<"  # begin the names of terms
MAX_NEIGHBOURS = 50  # facts of an entity that a hop reads
Ints = npt.NDArray[np.int64]


class Terms(NamedTuple):
    """The names of all terms, and the facts of items and of terms that name them."""

    names: TextColumn
    links: Links
    neighbours: Links | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """Facts by owner, in order: the owner, the relation from one end, and the other end."""

    owner_F: Ints
    relation_F: Ints
    entity_F: Ints

    def at(self, chosen_F: npt.NDArray[np.bool_] | Ints) -> _Facts:
        """Return some of the facts, by flags or by places."""
        return _Facts(
            owner_F=self.owner_F[chosen_F],
            relation_F=self.relation_F[chosen_F],
            entity_F=self.entity_F[chosen_F],
        )


def read_terms(
    catalogue: Catalogue, relations: Sequence[str], known: TextColumn | None, *, hops: int
) -> Terms | None:
    """Return the terms of a catalogue's facts, and attributes that count as facts.

    What only one item is related to has no term: it says no more than the item's own residual.
    `known` are terms that keep their rows. None if there is no term.
    """
    graph = catalogue.graph if catalogue.graph is not None else KnowledgeGraph.of(())
    names = _Names(graph)
    own = _of_two_items(_with_attributes(catalogue, relations, graph, names))
    rows = _TermRows(names, known)
    owner_L, term_L = rows.of_facts(own)
    if not rows.num_rows:
        return None
    neighbours = None
    if hops:
        near = _facts_of(graph, rows.entities(graph), MAX_NEIGHBOURS)
        near_L = rows.of_facts(near)
        neighbours = _links(*near_L, num_rows=rows.num_rows)
    links = _links(owner_L, term_L, num_rows=len(catalogue))
    return Terms(names=rows.names(), links=links, neighbours=neighbours)


class _Names:
    """What relations and entities are called as terms, those of attributes after the graph's."""

    def __init__(self, graph: KnowledgeGraph) -> None:
        self._graph = graph
        self.relations = [
            direction + (name or "")
            for name in graph.relations_R
            for direction in (AS_HEAD, AS_TAIL)
        ]
        self._values: dict[str, int] = {}
        self._more: list[str] = []

    def relation(self, attribute: str) -> int:
        """Return the number of an attribute as a relation, seen from the item."""
        name = AS_HEAD + attribute
        if name not in self.relations:
            self.relations.append(name)
        return self.relations.index(name)

    def value(self, text: str) -> int:
        """Return the number of an attribute's value; that of the entity with this id, if any."""
        if text not in self._values:
            known = self._graph.entity(text)
            self._values[text] = (
                len(self._graph.ids_E) + len(self._more) if known is None else known
            )
            if known is None:
                self._more.append(text)
        return self._values[text]

    def all(self) -> pa.Array:
        """Return what all are called as terms: relations first, then entities by number."""
        relations = pa.array(map(encode, self.relations), pa.large_binary())
        more = pa.array(map(encode, self._more), pa.large_binary())
        ids = pa.concat_arrays([array_of(self._graph.ids_E), more])
        begin, nothing = (pa.scalar(encode(one), pa.large_binary()) for one in (ENTITY, ""))
        return pa.concat_arrays([relations, pc.binary_join_element_wise(begin, ids, nothing)])


class _TermRows:
    """The rows of terms by the numbers of relations and entities; one that is used gets a row.

    M  relations, then entities
    """

    def __init__(self, names: _Names, known: TextColumn | None) -> None:
        self._names_M = names.all()
        self._num_relations = len(names.relations)
        self._parts = [] if known is None else [array_of(known)]
        self.num_rows = 0 if known is None else len(known)
        self._row_M = np.full(len(self._names_M), -1, np.int64)
        for part in self._parts:
            places_X = places_among(part, self._names_M)
            rows_X = np.flatnonzero(places_X >= 0)
            self._row_M[places_X[rows_X]] = rows_X

    def names(self) -> TextColumn:
        """Return the names of all rows."""
        return column_of(pa.concat_arrays(self._parts))

    def of_facts(self, facts: _Facts) -> tuple[Ints, Ints]:
        """Return the owner and the row of each term of facts, the relation first."""
        relation_F = self._rows_of(facts.relation_F)
        entity_F = self._rows_of(self._num_relations + facts.entity_F)
        return facts.owner_F.repeat(2), np.stack([relation_F, entity_F], axis=1).reshape(-1)

    def entities(self, graph: KnowledgeGraph) -> Ints:
        """Return the graph's entity of each row so far; −1 for what is none."""
        row_E = self._row_M[self._num_relations :][: len(graph.ids_E)]
        entity_X = np.flatnonzero(row_E >= 0)
        found = np.full(self.num_rows, -1, np.int64)
        found[row_E[entity_X]] = entity_X
        return found

    def _rows_of(self, number_F: Ints) -> Ints:
        is_used_M = np.zeros(len(self._row_M), np.bool_)
        is_used_M[number_F] = True
        new_X = np.flatnonzero(is_used_M & (self._row_M < 0))
        self._row_M[new_X] = self.num_rows + np.arange(len(new_X))
        self.num_rows += len(new_X)
        self._parts.append(self._names_M.take(pa.array(new_X)))
        rows_F: Ints = self._row_M[number_F]
        return rows_F


def _with_attributes(
    catalogue: Catalogue, relations: Sequence[str], graph: KnowledgeGraph, names: _Names
) -> _Facts:
    """Return the facts of items, and their attributes that count as facts."""
    own = _facts_of(graph, places_among(array_of(catalogue.ids), array_of(graph.ids_E)), MAX_LINKS)
    more = [
        (row, names.relation(relation), names.value(value))
        for row, relation, value in _attribute_facts(catalogue, relations)
    ]
    if not more:
        return own
    more_F3 = np.array(more, np.int64)
    owner_F = np.concatenate([own.owner_F, more_F3[:, 0]])
    order_F = np.argsort(owner_F, kind="stable")
    return _Facts(
        owner_F=owner_F[order_F],
        relation_F=np.concatenate([own.relation_F, more_F3[:, 1]])[order_F],
        entity_F=np.concatenate([own.entity_F, more_F3[:, 2]])[order_F],
    )


def _of_two_items(facts: _Facts) -> _Facts:
    """Return the facts whose other end is related to two items or more."""
    if not len(facts.owner_F):
        return facts
    num_owners = int(facts.owner_F.max()) + 1
    pairs_P = np.unique(facts.entity_F * num_owners + facts.owner_F)
    num_E = np.bincount(pairs_P // num_owners)
    return facts.at(num_E[facts.entity_F] > 1)


def _facts_of(graph: KnowledgeGraph, entity_K: Ints, limit: int) -> _Facts:
    """Return the facts of entities, at most `limit` as head and as many as tail."""
    parts = [
        _ends(adjacency, entity_K, limit, direction)
        for direction, adjacency in enumerate((graph.by_head, graph.by_tail))
    ]
    owner_F, relation_F, entity_F = (
        np.concatenate(columns) for columns in zip(*parts, strict=True)
    )
    facts = _Facts(owner_F=owner_F, relation_F=relation_F, entity_F=entity_F)
    if (np.diff(owner_F) >= 0).all():
        return facts
    return facts.at(np.argsort(owner_F, kind="stable"))


def _ends(
    adjacency: Adjacency, entity_K: Ints, limit: int, direction: int
) -> tuple[Ints, Ints, Ints]:
    """Return the owner, the relation and the other end of the facts at one end."""
    owner_K = np.flatnonzero(entity_K >= 0)
    begin_K = adjacency.starts_E1[entity_K[owner_K]]
    length_K = np.minimum(adjacency.starts_E1[entity_K[owner_K] + 1] - begin_K, limit)
    before_K = length_K.cumsum() - length_K
    place_F = np.arange(length_K.sum()) + (begin_K - before_K).repeat(length_K)
    relation_F = adjacency.relation_F[place_F].astype(np.int64) * 2 + direction
    return owner_K.repeat(length_K), relation_F, adjacency.entity_F[place_F].astype(np.int64)


def _attribute_facts(
    catalogue: Catalogue, relations: Sequence[str]
) -> Iterator[tuple[int, str, str]]:
    """Yield the row, the relation and the value of attributes that count as facts."""
    for row in range(len(catalogue) if relations else 0):
        attributes = catalogue.attributes(row)
        for name in relations:
            value = attributes.get(name, ())
            for one in value if isinstance(value, tuple) else (value,):
                yield row, name, f"{one:.15g}" if isinstance(one, float) else one


def _links(owner_L: Ints, term_L: Ints, *, num_rows: int) -> Links:
    """Return terms by owner, in whose order they are."""
    starts_X1 = np.concatenate([[0], np.bincount(owner_L, minlength=num_rows).cumsum()])
    return Links(
        starts_X1=torch.from_numpy(starts_X1.astype(np.int64)),
        terms_L=torch.from_numpy(term_L.astype(np.int32)),
    )
