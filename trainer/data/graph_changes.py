"""A graph some of whose heads have other facts: what they do not touch is copied as it is.

The graph is the one that `trainer.data.fact_table` makes of all facts, to the last bit.

E  entities    R  relations    F  facts    T  entities or relations, as a column of texts
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recommender.arrays.splice import splice, spliced_starts, starts_of
from recommender.arrays.text_column import TextColumn, encode
from recommender.catalogue.knowledge_graph import NAME, Adjacency, KnowledgeGraph
from trainer.data.text_arrays import array_of, column_of

Ints = npt.NDArray[np.int64]
Fact = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFacts:
    """All facts of some heads as of now; a head without one has lost those that it had."""

    heads: frozenset[str]
    facts: tuple[Fact, ...]

    @classmethod
    def of_table(cls, table: pa.Table) -> HeadFacts:
        """Return the facts of a table with heads, relations, tails, and which are withdrawn.

        Raise KeyError or ValueError for a table that lacks something.
        """
        names = ("head", "relation", "tail", "withdrawn")
        rows = list(zip(*(table[name].to_pylist() for name in names), strict=True))
        if any(None in row for row in rows):
            raise ValueError("a fact lacks its head, relation or tail")
        return cls(
            heads=frozenset(head for head, *_ in rows),
            facts=tuple(sorted({(h, r, t) for h, r, t, is_withdrawn in rows if not is_withdrawn})),
        )


def graph_with(graph: KnowledgeGraph, change: HeadFacts) -> KnowledgeGraph:
    """Return the graph in which these heads have these facts and no others."""
    stated = [one for one in change.facts if one[1] != NAME]
    ends = {end for head, _, tail in stated for end in (head, tail)}
    named = {head: name for head, relation, name in reversed(change.facts) if relation == NAME}
    grown = _with_texts(graph, ends | named.keys(), {relation for _, relation, _ in stated})
    heads = {row for head in change.heads if (row := grown.entity(head)) is not None}
    facts = _rows_of(grown, stated)
    linked = _with_facts(grown, heads, facts)
    renamed = _with_names(linked, {row: named.get(linked.ids_E[row] or "") for row in heads})
    near = {int(row) for head in heads for row in _tails_of(grown, head)}
    return replace(_without_unused(renamed, heads | near), file=None)  # not that of `graph`


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inserted:
    """A sorted column with some texts more, and the new row of each old one."""

    texts_T: TextColumn
    moved_T: Ints

    @classmethod
    def into(cls, old_T: TextColumn, texts: Sequence[str]) -> _Inserted:
        """Insert texts that the column lacks, in ascending order."""
        places = np.array([bisect_left(old_T, text) for text in texts], np.int64)  # type: ignore[type-var]  # none is None
        moved_T = np.arange(len(old_T)) + np.searchsorted(places, np.arange(len(old_T)), "right")
        both = pa.concat_arrays([array_of(old_T), pa.array(map(encode, texts), pa.large_binary())])
        order_T = np.empty(len(both), np.int64)
        order_T[moved_T] = np.arange(len(old_T))
        order_T[places + np.arange(len(texts))] = len(old_T) + np.arange(len(texts))
        return cls(texts_T=column_of(both.take(pa.array(order_T))), moved_T=moved_T)


def _with_texts(graph: KnowledgeGraph, ends: set[str], relations: set[str]) -> KnowledgeGraph:
    """Return the graph with rows for these entities and relations, without facts as yet."""
    entities = sorted(end for end in ends if graph.entity(end) is None)
    relations = relations - set(graph.relations())
    if relations:
        inserted = _Inserted.into(graph.relations_R, sorted(relations))
        graph = replace(
            graph,
            relations_R=inserted.texts_T,
            by_head=_with_relations(graph.by_head, inserted.moved_T),
            by_tail=_with_relations(graph.by_tail, inserted.moved_T),
        )
    if not entities:
        return graph
    inserted = _Inserted.into(graph.ids_E, entities)
    moved_E, num_entities = inserted.moved_T, len(inserted.texts_T)
    is_new_E = np.ones(num_entities, np.bool_)
    is_new_E[moved_E] = False
    new_rows = np.flatnonzero(is_new_E).tolist()
    return replace(
        graph,
        ids_E=inserted.texts_T,
        names_E=_texts_at(graph.names_E, moved_E, num_entities),
        by_head=_at_new_rows(graph.by_head, moved_E, num_entities),
        by_tail=_at_new_rows(graph.by_tail, moved_E, num_entities),
        id_index=graph.id_index.with_changes(moved_E, zip(entities, new_rows, strict=True)),
        name_index=graph.name_index.with_changes(moved_E, ()),
    )


def _rows_of(graph: KnowledgeGraph, facts: Iterable[Fact]) -> Ints:
    """Return head, relation and tail of each fact by row; all are in the graph."""
    relation = {name: row for row, name in enumerate(graph.relations())}
    rows = [(graph.entity(head), relation[name], graph.entity(tail)) for head, name, tail in facts]
    return np.array(rows, np.int64).reshape(-1, 3)


def _with_facts(graph: KnowledgeGraph, heads: set[int], facts_F3: Ints) -> KnowledgeGraph:
    """Return the graph with other facts of some heads."""
    own = _by_owner(facts_F3[:, 0], facts_F3[:, 1:], heads)
    tails = {int(tail) for head in heads for tail in _tails_of(graph, head)}
    new = _by_owner(facts_F3[:, 2], facts_F3[:, 1::-1], tails | set(facts_F3[:, 2].tolist()))
    is_head_E = np.zeros(len(graph.ids_E), np.bool_)
    is_head_E[list(heads)] = True
    theirs = dict[int, Ints]()
    for tail, new_X2 in new.items():
        old_X2 = _pairs_of(graph.by_tail, tail)
        theirs[tail] = np.concatenate([old_X2[~is_head_E[old_X2[:, 1]]], new_X2])
    return replace(
        graph, by_head=_with_ends(graph.by_head, own), by_tail=_with_ends(graph.by_tail, theirs)
    )


def _by_owner(owner_F: Ints, pairs_F2: Ints, owners: set[int]) -> dict[int, Ints]:
    """Return the pairs of relation and other end of each owner, of which some may have none."""
    order_F = np.argsort(owner_F, kind="stable")
    found, first = np.unique(owner_F[order_F], return_index=True)
    parts = np.split(pairs_F2[order_F], first[1:]) if len(found) else []
    pairs = dict(zip(found.tolist(), parts, strict=True))
    return {owner: pairs.get(owner, np.zeros((0, 2), np.int64)) for owner in owners}


def _tails_of(graph: KnowledgeGraph, head: int) -> Ints:
    return _pairs_of(graph.by_head, head)[:, 1]


def _pairs_of(adjacency: Adjacency, owner: int) -> Ints:
    begin, end = adjacency.starts_E1[owner : owner + 2]
    ends = (adjacency.relation_F[begin:end], adjacency.entity_F[begin:end])
    return np.stack(ends, axis=1).astype(np.int64)


def _with_ends(adjacency: Adjacency, pairs: Mapping[int, Ints]) -> Adjacency:
    """Return the facts with other pairs of relation and other end for some owners."""
    ordered = {owner: one[np.lexsort((one[:, 1], one[:, 0]))] for owner, one in pairs.items()}
    starts_E1 = adjacency.starts_E1
    relations = {owner: one[:, 0] for owner, one in ordered.items()}
    entities = {owner: one[:, 1] for owner, one in ordered.items()}
    return Adjacency(
        starts_E1=spliced_starts(starts_E1, relations),
        relation_F=splice(adjacency.relation_F, starts_E1, relations),
        entity_F=splice(adjacency.entity_F, starts_E1, entities),
    )


def _with_names(graph: KnowledgeGraph, names: Mapping[int, str | None]) -> KnowledgeGraph:
    """Return the graph with other names of some entities; None for no name."""
    changed = {row: name for row, name in names.items() if graph.names_E[row] != name}
    if not changed:
        return graph
    given = {row: name for row, name in changed.items() if name is not None}
    column, num_entities = array_of(graph.names_E), len(graph.names_E)
    more = pa.array(map(encode, given.values()), pa.large_binary())
    place_E = np.arange(num_entities)
    place_E[list(given)] = num_entities + np.arange(len(given))
    is_unnamed_E = np.zeros(num_entities, np.bool_)
    is_unnamed_E[[row for row in changed if row not in given]] = True
    names_E = pa.concat_arrays([column, more]).take(pa.array(place_E, mask=is_unnamed_E))
    moved_E = np.arange(num_entities)
    moved_E[list(changed)] = -1
    return replace(
        graph,
        names_E=column_of(names_E),
        name_index=graph.name_index.with_changes(
            moved_E, ((name, row) for row, name in given.items())
        ),
    )


def _without_unused(graph: KnowledgeGraph, touched: set[int]) -> KnowledgeGraph:
    """Return the graph without the touched entities and the relations that no fact names."""
    unused = [row for row in touched if not graph.num_links(row) and graph.names_E[row] is None]
    if unused:
        moved_E, kept_E = _without(len(graph.ids_E), unused)
        kept = pa.array(kept_E)
        graph = replace(
            graph,
            ids_E=column_of(array_of(graph.ids_E).take(kept)),
            names_E=column_of(array_of(graph.names_E).take(kept)),
            by_head=_of_rows(graph.by_head, moved_E, kept_E),
            by_tail=_of_rows(graph.by_tail, moved_E, kept_E),
            id_index=graph.id_index.with_changes(moved_E, ()),
            name_index=graph.name_index.with_changes(moved_E, ()),
        )
    num_relations = len(graph.relations_R)
    num_R = np.bincount(graph.by_head.relation_F, minlength=num_relations)
    if num_R.all():
        return graph
    moved_R, kept_R = _without(num_relations, np.flatnonzero(num_R == 0).tolist())
    return replace(
        graph,
        relations_R=column_of(array_of(graph.relations_R).take(pa.array(kept_R))),
        by_head=_with_relations(graph.by_head, moved_R),
        by_tail=_with_relations(graph.by_tail, moved_R),
    )


def _without(num_rows: int, unused: Sequence[int]) -> tuple[Ints, Ints]:
    """Return the new row of each old one, −1 for the unused, and the old rows that are kept."""
    is_kept_T = np.ones(num_rows, np.bool_)
    is_kept_T[list(unused)] = False
    moved_T = np.where(is_kept_T, is_kept_T.cumsum() - 1, -1)
    return moved_T, np.flatnonzero(is_kept_T)


def _at_new_rows(adjacency: Adjacency, moved_E: Ints, num_entities: int) -> Adjacency:
    """Return the facts with the new rows of entities; those between have none."""
    length_E = np.zeros(num_entities, np.int64)
    length_E[moved_E] = np.diff(adjacency.starts_E1)
    return Adjacency(
        starts_E1=starts_of(length_E),
        relation_F=adjacency.relation_F,
        entity_F=moved_E.astype(np.int32)[adjacency.entity_F],
    )


def _of_rows(adjacency: Adjacency, moved_E: Ints, kept_E: Ints) -> Adjacency:
    """Return the facts without entities that have none."""
    return Adjacency(
        starts_E1=starts_of(np.diff(adjacency.starts_E1)[kept_E]),
        relation_F=adjacency.relation_F,
        entity_F=moved_E.astype(np.int32)[adjacency.entity_F],
    )


def _with_relations(adjacency: Adjacency, moved_R: Ints) -> Adjacency:
    """Return the facts with the new rows of relations."""
    return replace(adjacency, relation_F=moved_R.astype(np.int32)[adjacency.relation_F])


def _texts_at(column: TextColumn, moved_T: Ints, num_rows: int) -> TextColumn:
    """Return the texts at their new rows; None between them."""
    place_T = np.zeros(num_rows, np.int64)
    place_T[moved_T] = np.arange(len(column))
    is_new_T = np.ones(num_rows, np.bool_)
    is_new_T[moved_T] = False
    return column_of(array_of(column).take(pa.array(place_T, mask=is_new_T)))
