"""The terms of a catalogue after a few facts or items changed: only what they touch is read.

The result is the one of `read_terms`, to the last row. An item is read again if a fact about it
changed, if it is new, or if what it alone was related to has a second item now or lost that one.

C  entities whose own facts are read again    M  relations, then entities    L  terms of facts
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from recommender.arrays.splice import splice, spliced_starts
from recommender.arrays.text_column import TextColumn, encode
from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.knowledge_graph import MAX_LINKS, KnowledgeGraph
from recommender.network.links import Links
from trainer.data.fact_terms import (
    ENTITY,
    MAX_NEIGHBOURS,
    Facts,
    TermNames,
    TermRows,
    Terms,
    attribute_values,
    facts_of,
    item_facts,
    links_of,
)
from trainer.data.related_items import RelatedItems

MAX_TOUCHED_SHARE = 0.02  # of the items; beyond it, to read all takes less time
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTerms:
    """The terms of the parent and its catalogue, and the heads whose facts may differ since."""

    catalogue: Catalogue
    terms: Terms
    heads: frozenset[str]


def changed_terms(
    catalogue: Catalogue,
    relations: Sequence[str],
    known: KnownTerms,
    *,
    max_share: float = MAX_TOUCHED_SHARE,
) -> Terms | None:
    """Return what `read_terms` returns for the catalogue, or None where that takes less time."""
    touched = _find_touched(catalogue, relations, known)
    if touched is None or len(touched.rows) > max_share * len(catalogue):
        return None
    names, related = TermNames(catalogue, relations), RelatedItems(catalogue, relations)
    rows = _rows_to_read(touched, related)
    entity_X = _entities_of(names.graph, (catalogue.name(row)[0] for row in rows))
    own = item_facts(catalogue, np.array(rows, np.int64), entity_X, names)
    own = own.at(_of_shared(own, names, related))
    ids_C = sorted(touched.entities) if known.terms.neighbours is not None else []
    is_shared_C = np.array([related.is_shared(one) for one in ids_C], np.bool_)
    shared_C = np.where(is_shared_C, _entities_of(names.graph, ids_C), -1)
    near = facts_of(names.graph, shared_C, MAX_NEIGHBOURS)
    numbered = _Numbered.of([own, near], names, ids_C, known.terms.names)
    own_L, near_L = (numbered.rows.of_facts(one) for one in numbered.facts)
    own_of = dict(zip(rows, _parts(*own_L, num_rows=len(rows)), strict=True))
    near_of = dict(zip(numbered.rows_C(), _parts(*near_L, num_rows=len(ids_C)), strict=True))
    near_of.pop(-1, None)  # no item names it
    neighbours = known.terms.neighbours
    if neighbours is not None:
        neighbours = _with_rows(neighbours, near_of, num_rows=numbered.rows.num_rows)
    return Terms(
        names=numbered.rows.names(),
        links=_with_rows(known.terms.links, own_of, num_rows=len(catalogue)),
        neighbours=neighbours,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Touched:
    """The items that are read again, and the entities and values that they are related to."""

    rows: frozenset[int]
    entities: frozenset[str]


def _find_touched(
    catalogue: Catalogue, relations: Sequence[str], known: KnownTerms
) -> _Touched | None:
    """Return what the changes touch; None if the items that changed are not known."""
    before = known.catalogue
    graphs = [one.graph for one in (before, catalogue) if one.graph is not None]
    ends = known.heads.union(*(_tails(graph, known.heads) for graph in graphs))
    rows = {row for one in ends if (row := catalogue.row(one)) is not None}
    rows.update(range(len(before), len(catalogue)))
    if relations:
        changed = catalogue.changed_rows(before)
        if changed is None:
            return None
        rows.update(changed)
    item_ids = [catalogue.name(row)[0] for row in rows]
    found = set(ends)
    for graph in graphs:
        entity_F = facts_of(graph, _entities_of(graph, item_ids), MAX_LINKS).entity_F
        found.update(graph.ids_E[one] or "" for one in np.unique(entity_F).tolist())
    for one in (before, catalogue):
        owned = (attribute_values(one, row, relations) for row in rows if row < len(one))
        found.update(value for _, value in chain.from_iterable(owned))
    return _Touched(rows=frozenset(rows), entities=frozenset(found))


def _tails(graph: KnowledgeGraph, heads: Iterable[str]) -> Iterator[str]:
    for head in heads:
        entity = graph.entity(head)
        if entity is not None:
            begin, end = graph.by_head.starts_E1[entity : entity + 2]
            yield from (graph.ids_E[one] or "" for one in graph.by_head.entity_F[begin:end])


def _rows_to_read(touched: _Touched, related: RelatedItems) -> list[int]:
    """Return the touched items, and each that alone shares something with them, in order."""
    others = (related.two_of(one, without=touched.rows) for one in sorted(touched.entities))
    return sorted(touched.rows.union(*(one for one in others if len(one) == 1)))


def _entities_of(graph: KnowledgeGraph, ids: Iterable[str]) -> Ints:
    """Return the graph's entity of each id; −1 for what is none."""
    entities = list[int]()
    for one in ids:
        entity = graph.entity(one)
        entities.append(-1 if entity is None else entity)
    return np.array(entities, np.int64)


def _of_shared(facts: Facts, names: TermNames, related: RelatedItems) -> npt.NDArray[np.bool_]:
    """Mark the facts whose other end is related to two items or more."""
    entity_M, place_F = np.unique(facts.entity_F, return_inverse=True)
    is_shared = [related.is_shared(names.text(one)) for one in entity_M.tolist()]
    marked_F: npt.NDArray[np.bool_] = np.array(is_shared, np.bool_)[place_F]
    return marked_F


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbered:
    """Facts by numbers among the terms that they name, and the rows of these terms."""

    facts: tuple[Facts, ...]
    rows: TermRows
    place_C: Ints

    @classmethod
    def of(
        cls, facts: Sequence[Facts], names: TermNames, ids_C: Sequence[str], known: TextColumn
    ) -> _Numbered:
        """Number what facts name, in order, and after it the other entities of C."""
        relation_M = np.unique(np.concatenate([one.relation_F for one in facts]))
        entity_M = np.unique(np.concatenate([one.entity_F for one in facts]))
        place_of = {names.text(one): place for place, one in enumerate(entity_M.tolist())}
        for one in ids_C:
            place_of.setdefault(one, len(place_of))
        entities = (encode(ENTITY + one) for one in place_of)
        named = [names.of_relations(relation_M.tolist()), pa.array(entities, pa.large_binary())]
        return cls(
            facts=tuple(
                Facts(
                    owner_F=one.owner_F,
                    relation_F=np.searchsorted(relation_M, one.relation_F),
                    entity_F=np.searchsorted(entity_M, one.entity_F),
                )
                for one in facts
            ),
            rows=TermRows(pa.concat_arrays(named), len(relation_M), known),
            place_C=np.array([place_of[one] for one in ids_C], np.int64),
        )

    def rows_C(self) -> list[int]:
        """Return the rows of the entities of C; −1 for one that is no term."""
        rows: list[int] = self.rows.of_entities(self.place_C).tolist()
        return rows


def _parts(owner_L: Ints, term_L: Ints, *, num_rows: int) -> list[Ints]:
    """Return the terms of each owner."""
    starts_X1 = links_of(owner_L, term_L, num_rows=num_rows).starts_X1.numpy()
    return np.split(term_L, starts_X1[1:-1]) if num_rows else []


def _with_rows(links: Links, others: Mapping[int, Ints], *, num_rows: int) -> Links:
    """Return the links with other terms of some rows, and with more rows."""
    longer = links.with_more_rows(num_rows - len(links))
    starts_X1 = longer.starts_X1.numpy()
    return Links(
        starts_X1=torch.from_numpy(spliced_starts(starts_X1, others)),
        terms_L=torch.from_numpy(splice(longer.terms_L.numpy(), starts_X1, others)),
    )
