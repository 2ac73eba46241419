"""What an item has in common with items of the history, as facts.

A path is one fact that relates the two items (a sequel), or two facts over one entity (the same
director). Hidden items are on no path: neither at its end nor between.

An entity may have several relations to an item: its director acts in it too. A path then takes one
that both items have, and of these the one with the fewest facts of the item, since an item has many
actors and one director.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.knowledge_graph import MAX_LINKS
from recommender.requests.wire import JsonObject

MAX_PATHS = 3  # in a reason

# A row of an entity; or an attribute that counts as a relation, and its value, where no fact names
# the value.
Node = int | tuple[str, str]


class _Relation(NamedTuple):
    """A relation of an item to a node, and whether the item is its head."""

    relation: str
    is_head: bool


class _End(NamedTuple):
    """An item of the history: its place (0 is the newest), row, and relations to a node.

    There are none if the item is the node.
    """

    place: int
    row: int
    relations: tuple[_Relation, ...]


class _Path(NamedTuple):
    """A path, ordered by what tells most: few other facts about the node, then a newer item."""

    num_others: int
    end: _End
    fact: _Relation
    end_fact: _Relation | None  # None if the fact names both items
    node: Node | None  # likewise


@dataclass(frozen=True, slots=True, eq=False)
class HistoryNodes:
    """The newest item of a history that has a fact with each node."""

    ends: Mapping[Node, _End]


class FactPaths:
    """Paths between items of a catalogue; `relations` are the attributes that count as facts."""

    def __init__(self, catalogue: Catalogue, relations: Sequence[str]) -> None:
        self._catalogue = catalogue
        self._graph = catalogue.graph
        self._relations = tuple(relations)
        names = self._graph.relations_R if self._graph is not None else ()
        self._names = [name or "" for name in names]
        self._known: dict[int, Mapping[Node, tuple[_Relation, ...]]] = {}

    @property
    def has_facts(self) -> bool:
        """Return whether there may be any path."""
        return self._graph is not None or bool(self._relations)

    def nodes_of(self, liked: Sequence[int]) -> HistoryNodes:
        """Return what the items of a history are related to; rows are given newest first."""
        ends: dict[Node, _End] = {}
        for place, row in enumerate(liked):
            if self._catalogue.hidden_N[row]:
                continue
            own = self._node_of(row)
            if own is not None:
                ends[own] = _End(place, row, ())
            for node, facts in self.facts_of(row).items():
                ends.setdefault(node, _End(place, row, facts))
        return HistoryNodes(ends)

    def paths(self, row: int, history: HistoryNodes) -> list[JsonObject]:
        """Return at most MAX_PATHS paths from an item, those that tell most first.

        Those of a relation that an earlier one has come last.
        """
        found = []
        for node, facts in self.facts_of(row).items():
            end = history.ends.get(node)
            if end is None or end.row == row:
                continue
            if not end.relations:
                found.append(_Path(0, end, facts[0], None, None))
            elif not self.is_hidden(node):
                fact, end_fact = _alike(facts, end.relations)
                found.append(_Path(self.num_facts(node), end, fact, end_fact, node))
        found.sort(key=lambda path: (path.num_others, path.end.place))
        return [self._json(path) for path in _different_first(found)[:MAX_PATHS]]

    def facts_of(self, row: int) -> Mapping[Node, tuple[_Relation, ...]]:
        """Return what an item is related to, and how: relations of fewer of its facts first."""
        known = self._known.get(row)
        if known is None:
            facts: dict[Node, list[_Relation]] = {}
            num_of = Counter[_Relation]()
            for node, fact in self._read_facts(row):
                facts.setdefault(node, []).append(fact)
                num_of[fact] += 1
            known = self._known[row] = {
                node: tuple(sorted(dict.fromkeys(several), key=num_of.__getitem__))
                for node, several in facts.items()
            }
        return known

    def _read_facts(self, row: int) -> Iterator[tuple[Node, _Relation]]:
        entity = self._node_of(row)
        if self._graph is not None and entity is not None:
            for link in self._graph.links(entity, limit=MAX_LINKS):
                yield link.entity, _Relation(self._names[link.relation], link.is_head)
        attributes = self._catalogue.attributes(row) if self._relations else {}
        for name in self._relations:
            value = attributes.get(name, ())
            for one in value if isinstance(value, tuple) else (value,):
                text = f"{one:.15g}" if isinstance(one, float) else one
                known = self._graph.entity(text) if self._graph is not None else None
                yield (name, text) if known is None else known, _Relation(name, True)

    def _node_of(self, row: int) -> int | None:
        if self._graph is None:
            return None
        return self._graph.entity(self._catalogue.name(row)[0])

    def _item_of(self, node: Node) -> int | None:
        """Return the row of the item that a node is, if it is one."""
        if self._graph is None or isinstance(node, tuple):
            return None
        return self._catalogue.row(self._graph.ids_E[node] or "")

    def is_hidden(self, node: Node) -> bool:
        """Return whether a node is a hidden item."""
        row = self._item_of(node)
        return row is not None and bool(self._catalogue.hidden_N[row])

    def num_facts(self, node: Node) -> int:
        """Return about how many facts a node has."""
        if isinstance(node, tuple):
            return self._catalogue.num_with(*node)
        assert self._graph is not None
        return self._graph.num_links(node)

    def _json(self, path: _Path) -> JsonObject:
        item_id, title = self._catalogue.name(path.end.row)
        found: JsonObject = {
            "item": {"id": item_id, "title": title},
            "relation": path.fact.relation,
            "via": None,
            "item_relation": path.end_fact.relation if path.end_fact is not None else None,
        }
        if path.node is not None:
            found["via"] = self._entity_json(path.node)
        elif not path.fact.is_head:
            found |= {"relation": None, "item_relation": path.fact.relation}
        return found

    def _entity_json(self, node: Node) -> JsonObject:
        if isinstance(node, tuple):
            return {"id": node[1], "name": node[1]}
        assert self._graph is not None
        entity_id, row = self._graph.ids_E[node], self._item_of(node)
        name = self._graph.names_E[node] if row is None else self._catalogue.name(row)[1]
        return {"id": entity_id, "name": name}


def _different_first(paths: Sequence[_Path]) -> list[_Path]:
    """Return the paths in their order, but the first of each relation before the others."""
    known, first, more = set[_Relation](), list[_Path](), list[_Path]()
    for path in paths:
        if path.fact in known:
            more.append(path)
        else:
            first.append(path)
            known.add(path.fact)
    return [*first, *more]


def _alike(facts: Sequence[_Relation], others: Sequence[_Relation]) -> tuple[_Relation, _Relation]:
    """Return the first relation that both have, or else the first of each."""
    for fact in facts:
        if fact in others:
            return fact, fact
    return facts[0], others[0]
