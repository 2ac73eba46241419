"""The facts of a release as arrays that a file can map, with the entities as rows.

An entity is found by its id. Items are entities under their own ids, so rows of entities and rows
of items need not agree, and one file serves all releases between two changes of a fact.

E  entities    R  relations    F  facts
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recommender.arrays.bases import link_or_copy
from recommender.arrays.key_index import KeyIndex
from recommender.arrays.mapped_arrays import map_arrays, save_arrays
from recommender.arrays.text_column import TextColumn
from recommender.records.ids import MAX_ID_CHARS

GRAPH_FILE = "facts.safetensors"
NAME = "name"  # the relation whose tail is what its head is called; not a fact of the graph
MAX_LINKS = 500  # facts of one item that are read; a film has a hundred
Starts = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]


class Link(NamedTuple):
    """A fact as seen from one of its entities: the relation and the entity at its other end."""

    relation: int
    entity: int
    is_head: bool  # whether the entity that was asked for is the head


@dataclass(frozen=True, slots=True, eq=False)
class Adjacency:
    """The facts of entity e are `relation_F` and `entity_F` at `starts_E1[e]:starts_E1[e + 1]`."""

    starts_E1: Starts
    relation_F: Rows
    entity_F: Rows

    @classmethod
    def of(cls, own_F: Rows, relation_F: Rows, other_F: Rows, *, num_entities: int) -> Adjacency:
        """Return the facts by the entities at one end, in order of relation and other end."""
        order_F = np.lexsort((other_F, relation_F, own_F))
        counts_E = np.bincount(own_F, minlength=num_entities)
        return cls(
            starts_E1=np.concatenate([np.zeros(1, np.int64), counts_E.cumsum()]),
            relation_F=relation_F[order_F],
            entity_F=other_F[order_F],
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]], name: str) -> Adjacency:
        """Return what `arrays` returned; raise KeyError or ValueError."""
        return cls(
            starts_E1=arrays[f"{name}.starts"].view(np.int64),
            relation_F=arrays[f"{name}.relations"].view(np.int32),
            entity_F=arrays[f"{name}.entities"].view(np.int32),
        )

    def arrays(self, name: str) -> dict[str, npt.NDArray[np.generic]]:
        """Return the arrays under names that begin with `name`."""
        return {
            f"{name}.starts": self.starts_E1,
            f"{name}.relations": self.relation_F,
            f"{name}.entities": self.entity_F,
        }

    def expect_within(self, num_entities: int, num_relations: int) -> None:
        """Raise ValueError when the arrays do not fit these numbers."""
        num_facts = len(self.entity_F)
        fits = (
            len(self.starts_E1) == num_entities + 1
            and len(self.relation_F) == num_facts == self.starts_E1[-1]
            and bool((np.diff(self.starts_E1) >= 0).all())
        )
        limits = ((self.entity_F, num_entities), (self.relation_F, num_relations))
        if not fits or any(
            len(rows) and not 0 <= rows.min() <= rows.max() < limit for rows, limit in limits
        ):
            raise ValueError("its facts do not fit its entities")

    def num_of(self, entity: int) -> int:
        """Return how many facts an entity has at this end."""
        return int(self.starts_E1[entity + 1] - self.starts_E1[entity])

    def of_entity(self, entity: int, limit: int) -> Iterator[tuple[int, int]]:
        """Yield relation and other end of the first facts of an entity."""
        begin = int(self.starts_E1[entity])
        end = begin + min(limit, self.num_of(entity))
        relations: Sequence[int] = self.relation_F[begin:end].tolist()
        yield from zip(relations, self.entity_F[begin:end].tolist(), strict=True)

    def ends_of(self, relation: int, entity: int) -> Rows:
        """Return the other ends of an entity's facts of one relation."""
        begin, end = self.starts_E1[entity], self.starts_E1[entity + 1]
        ends: Rows = self.entity_F[begin:end][self.relation_F[begin:end] == relation]
        return ends


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnowledgeGraph:
    """Facts by head and by tail; `file` is where they are stored, once they are."""

    ids_E: TextColumn
    names_E: TextColumn  # None for an entity without a name
    relations_R: TextColumn
    by_head: Adjacency
    by_tail: Adjacency
    id_index: KeyIndex
    name_index: KeyIndex
    file: Path | None = None

    @classmethod
    def of(cls, facts: Iterable[tuple[str, str, str]]) -> KnowledgeGraph:
        """Return the graph of heads, relations and tails; repeated facts count once."""
        ordered = sorted(set(facts))
        names = {head: tail for head, relation, tail in reversed(ordered) if relation == NAME}
        stated = [one for one in ordered if one[1] != NAME]
        entities = sorted({end for head, _, tail in stated for end in (head, tail)} | names.keys())
        relations = sorted({relation for _, relation, _ in stated})
        entity = {entity_id: row for row, entity_id in enumerate(entities)}
        relation_row = {relation: row for row, relation in enumerate(relations)}
        head_F = np.fromiter((entity[head] for head, _, _ in stated), np.int32, len(stated))
        tail_F = np.fromiter((entity[tail] for _, _, tail in stated), np.int32, len(stated))
        relation_F = np.fromiter((relation_row[one] for _, one, _ in stated), np.int32, len(stated))
        ids_E, names_E = TextColumn.of(entities), TextColumn.of(map(names.get, entities))
        return cls(
            ids_E=ids_E,
            names_E=names_E,
            relations_R=TextColumn.of(relations),
            by_head=Adjacency.of(head_F, relation_F, tail_F, num_entities=len(entities)),
            by_tail=Adjacency.of(tail_F, relation_F, head_F, num_entities=len(entities)),
            id_index=KeyIndex.build(ids_E),
            name_index=KeyIndex.build(names_E),
        )

    @classmethod
    def map(cls, path: Path) -> KnowledgeGraph:
        """Return the graph of a file; raise OSError, or ValueError for a damaged file."""
        arrays = map_arrays(path)
        try:
            graph = cls(
                ids_E=TextColumn.from_arrays(arrays, "ids"),
                names_E=TextColumn.from_arrays(arrays, "names"),
                relations_R=TextColumn.from_arrays(arrays, "relations"),
                by_head=Adjacency.from_arrays(arrays, "by_head"),
                by_tail=Adjacency.from_arrays(arrays, "by_tail"),
                id_index=KeyIndex.from_arrays(arrays, "id_index"),
                name_index=KeyIndex.from_arrays(arrays, "name_index"),
            )
            graph.expect_whole()
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"{path}: not a valid file of facts ({error})") from error
        return replace(graph, file=path)

    def save(self, path: Path) -> None:
        """Write the graph; a file that it came from is linked."""
        if self.file is not None and self.file.exists():
            link_or_copy(self.file, path)
            return
        arrays = {
            **self.ids_E.arrays("ids"),
            **self.names_E.arrays("names"),
            **self.relations_R.arrays("relations"),
            **self.by_head.arrays("by_head"),
            **self.by_tail.arrays("by_tail"),
            **self.id_index.arrays("id_index"),
            **self.name_index.arrays("name_index"),
        }
        save_arrays(arrays, path)

    def expect_whole(self) -> None:
        """Raise ValueError when the columns differ in length or a fact names no entity."""
        num_entities, num_relations = len(self.ids_E), len(self.relations_R)
        if len(self.names_E) != num_entities:
            raise ValueError("its columns differ in length")
        for one in (self.by_head, self.by_tail):
            one.expect_within(num_entities, num_relations)

    def __len__(self) -> int:
        """Return the number of facts, without names."""
        return len(self.by_head.entity_F)

    def entity(self, entity_id: str) -> int | None:
        """Return the row of an entity; None when no fact names it."""
        if len(entity_id) > MAX_ID_CHARS:
            return None
        return next(self.id_index.rows(entity_id, self.ids_E), None)

    def entities_called(self, text: str) -> list[int]:
        """Return the rows of the entities that have this id or this name."""
        if len(text) > MAX_ID_CHARS:
            return []
        called = [*self.id_index.rows(text, self.ids_E), *self.name_index.rows(text, self.names_E)]
        return list(dict.fromkeys(called))

    def links(self, entity: int, *, limit: int) -> list[Link]:
        """Return the first facts about an entity: those that it is the head of come first."""
        own = [Link(*one, is_head=True) for one in self.by_head.of_entity(entity, limit)]
        left = limit - len(own)
        return own + [Link(*one, is_head=False) for one in self.by_tail.of_entity(entity, left)]

    def num_links(self, entity: int) -> int:
        """Return how many facts have an entity as head or as tail."""
        return self.by_head.num_of(entity) + self.by_tail.num_of(entity)

    def relation(self, name: str) -> int | None:
        """Return the row of a relation; None when no fact has it."""
        return self._relation_rows().get(name)

    def relations(self) -> list[str]:
        """Return the names of all relations."""
        return list(self._relation_rows())

    def entities_related(self, relation: int, entity: int) -> Rows:
        """Return the entities that a fact of this relation joins with an entity, either way."""
        return np.concatenate(
            [one.ends_of(relation, entity) for one in (self.by_head, self.by_tail)]
        )

    def _relation_rows(self) -> Mapping[str, int]:
        return {name: row for row, name in enumerate(self.relations_R) if name is not None}
