"""The facts of items as terms of the network: which there are, and which items have them.

Terms keep their rows when facts change; new ones follow. Letters are those of
`recommender.network.links`; K entities, E entities of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from recommender.arrays.text_column import TextColumn
from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.knowledge_graph import MAX_LINKS, Adjacency, KnowledgeGraph
from recommender.network.links import Links

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

    def at(self, chosen_F: npt.NDArray[np.bool_]) -> _Facts:
        """Return some of the facts."""
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
    if not rows.names:
        return None
    neighbours = None
    if hops:
        near = _facts_of(graph, rows.entities(graph), MAX_NEIGHBOURS)
        neighbours = _links(*rows.of_facts(near), num_rows=len(rows.names))
        neighbours = neighbours.with_more_rows(len(rows.names) - len(neighbours))
    links = _links(owner_L, term_L, num_rows=len(catalogue))
    return Terms(names=TextColumn.of(rows.names), links=links, neighbours=neighbours)


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

    def entity(self, number: int) -> str:
        """Return what an entity is called as a term."""
        num_own = len(self._graph.ids_E)
        own = self._graph.ids_E[number] if number < num_own else self._more[number - num_own]
        return ENTITY + (own or "")


class _TermRows:
    """The rows of terms by name; a name that is asked for gets one."""

    def __init__(self, names: _Names, known: TextColumn | None) -> None:
        self._names = names
        self.names = [name or "" for name in known] if known is not None else []
        self._rows = {name: row for row, name in enumerate(self.names)}

    def of_facts(self, facts: _Facts) -> tuple[Ints, Ints]:
        """Return the owner and the row of each term of facts, the relation first."""
        relation_F = self._rows_of(facts.relation_F, self._names.relations.__getitem__)
        entity_F = self._rows_of(facts.entity_F, self._names.entity)
        return facts.owner_F.repeat(2), np.stack([relation_F, entity_F], axis=1).reshape(-1)

    def entities(self, graph: KnowledgeGraph) -> Ints:
        """Return the entity of each term so far; −1 for what is none."""
        found = np.full(len(self.names), -1, np.int64)
        for row, name in enumerate(self.names):
            entity = graph.entity(name.removeprefix(ENTITY)) if name.startswith(ENTITY) else None
            if entity is not None:
                found[row] = entity
        return found

    def _rows_of(self, number_F: Ints, name_of: Callable[[int], str]) -> Ints:
        """Return rows by the numbers of names, each of which is asked for once."""
        different, places_F = np.unique(number_F, return_inverse=True)
        rows = [self._row(name_of(number)) for number in different.tolist()]
        return np.array(rows, np.int64)[places_F]

    def _row(self, name: str) -> int:
        row = self._rows.setdefault(name, len(self.names))
        if row == len(self.names):
            self.names.append(name)
        return row


def _with_attributes(
    catalogue: Catalogue, relations: Sequence[str], graph: KnowledgeGraph, names: _Names
) -> _Facts:
    """Return the facts of items, and their attributes that count as facts."""
    own = _facts_of(graph, _entities(catalogue, graph), MAX_LINKS)
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
    pairs_P2 = np.unique(np.stack([facts.entity_F, facts.owner_F], axis=1), axis=0)
    num_E = np.bincount(pairs_P2[:, 0])
    return facts.at(num_E[facts.entity_F] > 1) if len(pairs_P2) else facts


def _entities(catalogue: Catalogue, graph: KnowledgeGraph) -> Ints:
    """Return the entity of each item; −1 for an item that no fact names."""
    found_N = np.full(len(catalogue), -1, np.int64)
    for entity, entity_id in enumerate(graph.ids_E):
        row = catalogue.row(entity_id) if entity_id is not None else None
        if row is not None:
            found_N[row] = entity
    return found_N


def _facts_of(graph: KnowledgeGraph, entity_K: Ints, limit: int) -> _Facts:
    """Return the facts of entities, at most `limit` as head and as many as tail."""
    parts = [
        _ends(adjacency, entity_K, limit, direction)
        for direction, adjacency in enumerate((graph.by_head, graph.by_tail))
    ]
    owner_F, relation_F, entity_F = (
        np.concatenate(columns) for columns in zip(*parts, strict=True)
    )
    order_F = np.argsort(owner_F, kind="stable")
    return _Facts(
        owner_F=owner_F[order_F], relation_F=relation_F[order_F], entity_F=entity_F[order_F]
    )


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
