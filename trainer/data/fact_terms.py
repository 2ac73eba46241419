"""The facts of items as terms of the network: which terms there are, and which items have them.

Terms keep their rows when facts change; new ones follow. Letters are those of
`recommender.network.links`; K entities, E entities of the graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    """Facts by owner, in order: the owner, the relation (two for each), the other end."""

    owner_F: Ints
    relation_F: Ints
    entity_F: Ints


def read_terms(
    catalogue: Catalogue, relations: Sequence[str], known: TextColumn | None, *, hops: int
) -> Terms | None:
    """Return the terms of a catalogue's facts, and attributes that count as facts.

    `known` are terms that keep their rows. None if there is no fact.
    """
    graph = catalogue.graph if catalogue.graph is not None else KnowledgeGraph.of(())
    own = _facts_of(graph, _entities(catalogue, graph), MAX_LINKS)
    attributes = list(_attribute_facts(catalogue, relations))
    rows = _Rows(graph, known)
    item_L, term_L = rows.of_facts(own)
    for item, relation, value in attributes:
        item_L.extend([item, item])
        term_L.extend([rows.row(AS_HEAD + relation), rows.row(ENTITY + value)])
    if not term_L and known is None:
        return None
    neighbours = None
    if hops:
        neighbours = _neighbours(graph, rows)
    links = _links(np.array(item_L, np.int64), np.array(term_L, np.int64), len(catalogue))
    return Terms(names=TextColumn.of(rows.names), links=links, neighbours=neighbours)


class _Rows:
    """The rows of terms by name; a name that is asked for gets one."""

    def __init__(self, graph: KnowledgeGraph, known: TextColumn | None) -> None:
        self._graph = graph
        self.names = [name or "" for name in known] if known is not None else []
        self._rows = {name: row for row, name in enumerate(self.names)}

    def row(self, name: str) -> int:
        """Return the row of a term."""
        row = self._rows.setdefault(name, len(self.names))
        if row == len(self.names):
            self.names.append(name)
        return row

    def of_facts(self, facts: _Facts) -> tuple[list[int], list[int]]:
        """Return the owner and the row of each term of facts, the relation first."""
        relations = [
            self.row(direction + (name or ""))
            for name in self._graph.relations_R
            for direction in (AS_HEAD, AS_TAIL)
        ]
        found_E = np.zeros(len(self._graph.ids_E), np.int64)
        for entity in np.unique(facts.entity_F).tolist():
            found_E[entity] = self.row(ENTITY + (self._graph.ids_E[entity] or ""))
        pair_F2 = np.stack(
            [np.array(relations, np.int64)[facts.relation_F], found_E[facts.entity_F]], axis=1
        )
        return facts.owner_F.repeat(2).tolist(), pair_F2.reshape(-1).tolist()

    def entities(self) -> Ints:
        """Return the entity of each term so far; −1 for what is none."""
        found = [
            self._graph.entity(name[1:]) if name.startswith(ENTITY) else None for name in self.names
        ]
        return np.array([-1 if one is None else one for one in found], np.int64)


def _neighbours(graph: KnowledgeGraph, rows: _Rows) -> Links:
    owner_L, term_L = rows.of_facts(_facts_of(graph, rows.entities(), MAX_NEIGHBOURS))
    return _links(np.array(owner_L, np.int64), np.array(term_L, np.int64), len(rows.names))


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


def _links(owner_L: Ints, term_L: Ints, num_rows: int) -> Links:
    """Return facts by owner; two terms that follow one another are a fact."""
    order_L = np.argsort(owner_L, kind="stable")
    starts_X1 = np.concatenate([[0], np.bincount(owner_L, minlength=num_rows).cumsum()])
    return Links(
        starts_X1=torch.from_numpy(starts_X1.astype(np.int64)),
        terms_L=torch.from_numpy(term_L[order_L].astype(np.int32)),
    )
