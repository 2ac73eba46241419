"""The facts of items as terms of the network: which there are, and which items have them.

Terms keep their rows when facts change; new ones follow. Letters are those of
`recommender.network.links`; K entities, E entities of the graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
class Facts:
    """Facts by owner, in order: the owner, the relation from one end, and the other end.

    Relations and entities have the numbers of `TermNames`.
    """

    owner_F: Ints
    relation_F: Ints
    entity_F: Ints

    def at(self, chosen_F: npt.NDArray[np.bool_] | Ints) -> Facts:
        """Return some of the facts, by flags or by places."""
        return Facts(
            owner_F=self.owner_F[chosen_F],
            relation_F=self.relation_F[chosen_F],
            entity_F=self.entity_F[chosen_F],
        )


def read_terms(
    catalogue: Catalogue, relations: Sequence[str], known: TextColumn | None, *, hops: int
) -> Terms | None:
    """Return the terms of a catalogue's facts, and attributes that count as facts.

    What only one item is related to has no term: it says no more than the item's own residual.
    `known` are terms that keep their rows. With a hop, entities that items name have neighbours.
    None if there is no term.
    """
    names = TermNames(catalogue, relations)
    graph = names.graph
    entity_N = places_among(array_of(catalogue.ids), array_of(graph.ids_E))
    own = _of_two_items(item_facts(catalogue, np.arange(len(catalogue)), entity_N, names))
    rows = TermRows(names.all(), names.num_relations, known)
    owner_L, term_L = rows.of_facts(own)
    if not rows.num_rows:
        return None
    neighbours = None
    if hops:
        related_K = np.full(rows.num_rows, -1, np.int64)
        entity_X = _entities_in(own, graph)
        related_K[rows.of_entities(entity_X)] = entity_X
        near_L = rows.of_facts(facts_of(graph, related_K, MAX_NEIGHBOURS))
        neighbours = links_of(*near_L, num_rows=rows.num_rows)
    links = links_of(owner_L, term_L, num_rows=len(catalogue))
    return Terms(names=rows.names(), links=links, neighbours=neighbours)


class TermNames:
    """What relations and entities are called as terms, those of attributes after the graph's."""

    def __init__(self, catalogue: Catalogue, relations: Sequence[str]) -> None:
        self.graph = catalogue.graph if catalogue.graph is not None else KnowledgeGraph.of(())
        self.attributes = tuple(relations)
        names = [
            direction + (name or "")
            for name in self.graph.relations_R
            for direction in (AS_HEAD, AS_TAIL)
        ]
        self._relations = list(dict.fromkeys([*names, *(AS_HEAD + one for one in relations)]))
        self._number = {name: number for number, name in enumerate(self._relations)}
        self._values: dict[str, int] = {}
        self._more: list[str] = []

    @property
    def num_relations(self) -> int:
        """Return how many relations there are, each counted from both of its ends."""
        return len(self._relations)

    def relation(self, attribute: str) -> int:
        """Return the number of an attribute as a relation, seen from the item."""
        return self._number[AS_HEAD + attribute]

    def value(self, text: str) -> int:
        """Return the number of an attribute's value; that of the entity with this id, if any."""
        if text not in self._values:
            known = self.graph.entity(text)
            num_entities = len(self.graph.ids_E)
            self._values[text] = num_entities + len(self._more) if known is None else known
            if known is None:
                self._more.append(text)
        return self._values[text]

    def text(self, entity: int) -> str:
        """Return the id of an entity, or the value of an attribute, by its number."""
        num_entities = len(self.graph.ids_E)
        if entity >= num_entities:
            return self._more[entity - num_entities]
        return self.graph.ids_E[entity] or ""

    def all(self) -> pa.Array:
        """Return what all are called as terms: relations first, then entities by number."""
        return pa.concat_arrays([self.of_relations(range(self.num_relations)), self._entities()])

    def of_relations(self, numbers: Iterable[int]) -> pa.Array:
        """Return what relations are called as terms."""
        return pa.array([encode(self._relations[one]) for one in numbers], pa.large_binary())

    def _entities(self) -> pa.Array:
        more = pa.array(map(encode, self._more), pa.large_binary())
        ids = pa.concat_arrays([array_of(self.graph.ids_E), more])
        begin, nothing = (pa.scalar(encode(one), pa.large_binary()) for one in (ENTITY, ""))
        return pc.binary_join_element_wise(begin, ids, nothing)


class TermRows:
    """The rows of terms by the numbers of relations and entities; one that is used gets a row.

    M  relations, then entities
    """

    def __init__(self, names_M: pa.Array, num_relations: int, known: TextColumn | None) -> None:
        self._names_M = names_M
        self._num_relations = num_relations
        self._parts = [] if known is None else [array_of(known)]
        self.num_rows = 0 if known is None else len(known)
        self._row_M = np.full(len(names_M), -1, np.int64)
        for part in self._parts:
            places_X = places_among(part, names_M)
            rows_X = np.flatnonzero(places_X >= 0)
            self._row_M[places_X[rows_X]] = rows_X

    def names(self) -> TextColumn:
        """Return the names of all rows."""
        return column_of(pa.concat_arrays(self._parts))

    def of_facts(self, facts: Facts) -> tuple[Ints, Ints]:
        """Return the owner and the row of each term of facts, the relation first."""
        relation_F = self._rows_of(facts.relation_F)
        entity_F = self._rows_of(self._num_relations + facts.entity_F)
        return facts.owner_F.repeat(2), np.stack([relation_F, entity_F], axis=1).reshape(-1)

    def of_entities(self, entity_X: Ints) -> Ints:
        """Return the rows of entities so far; −1 for one without."""
        rows_X: Ints = self._row_M[self._num_relations + entity_X]
        return rows_X

    def _rows_of(self, number_F: Ints) -> Ints:
        is_used_M = np.zeros(len(self._row_M), np.bool_)
        is_used_M[number_F] = True
        new_X = np.flatnonzero(is_used_M & (self._row_M < 0))
        self._row_M[new_X] = self.num_rows + np.arange(len(new_X))
        self.num_rows += len(new_X)
        self._parts.append(self._names_M.take(pa.array(new_X)))
        rows_F: Ints = self._row_M[number_F]
        return rows_F


def item_facts(catalogue: Catalogue, row_X: Ints, entity_X: Ints, names: TermNames) -> Facts:
    """Return the facts of some items, and their attributes that count as facts.

    `entity_X` has the graph's entity of each item, or −1. Owners are places among the items.
    """
    own = facts_of(names.graph, entity_X, MAX_LINKS)
    more = [
        (place, names.relation(relation), names.value(value))
        for place, relation, value in _attribute_facts(catalogue, row_X, names.attributes)
    ]
    if not more:
        return own
    more_F3 = np.array(more, np.int64)
    owner_F = np.concatenate([own.owner_F, more_F3[:, 0]])
    order_F = np.argsort(owner_F, kind="stable")
    return Facts(
        owner_F=owner_F[order_F],
        relation_F=np.concatenate([own.relation_F, more_F3[:, 1]])[order_F],
        entity_F=np.concatenate([own.entity_F, more_F3[:, 2]])[order_F],
    )


def attribute_values(
    catalogue: Catalogue, row: int, relations: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the relation and the value of an item's attributes that count as facts."""
    attributes = catalogue.attributes(row)
    for name in relations:
        value = attributes.get(name, ())
        for one in value if isinstance(value, tuple) else (value,):
            yield name, f"{one:.15g}" if isinstance(one, float) else one


def _entities_in(facts: Facts, graph: KnowledgeGraph) -> Ints:
    """Return the graph's entities at the other ends of facts."""
    is_related_E = np.zeros(len(graph.ids_E), np.bool_)
    is_related_E[facts.entity_F[facts.entity_F < len(graph.ids_E)]] = True
    return np.flatnonzero(is_related_E)


def _of_two_items(facts: Facts) -> Facts:
    """Return the facts whose other end is related to two items or more."""
    if not len(facts.owner_F):
        return facts
    num_owners = int(facts.owner_F.max()) + 1
    pairs_F = np.sort(facts.entity_F * num_owners + facts.owner_F)
    is_first_F = np.diff(pairs_F, prepend=-1) > 0
    num_E = np.bincount(pairs_F[is_first_F] // num_owners)
    return facts.at(num_E[facts.entity_F] > 1)


def facts_of(graph: KnowledgeGraph, entity_K: Ints, limit: int) -> Facts:
    """Return the facts of entities, at most `limit` as head and as many as tail."""
    parts = [
        _ends(adjacency, entity_K, limit, direction)
        for direction, adjacency in enumerate((graph.by_head, graph.by_tail))
    ]
    owner_F, relation_F, entity_F = (
        np.concatenate(columns) for columns in zip(*parts, strict=True)
    )
    facts = Facts(owner_F=owner_F, relation_F=relation_F, entity_F=entity_F)
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
    catalogue: Catalogue, row_X: Ints, relations: Sequence[str]
) -> Iterator[tuple[int, str, str]]:
    """Yield the place, the relation and the value of attributes that count as facts."""
    if not relations:
        return
    for place, row in enumerate(row_X.tolist()):
        for name, value in attribute_values(catalogue, row, relations):
            yield place, name, value


def links_of(owner_L: Ints, term_L: Ints, *, num_rows: int) -> Links:
    """Return terms by owner, in whose order they are."""
    starts_X1 = np.concatenate([[0], np.bincount(owner_L, minlength=num_rows).cumsum()])
    return Links(
        starts_X1=torch.from_numpy(starts_X1.astype(np.int64)),
        terms_L=torch.from_numpy(term_L.astype(np.int32)),
    )
