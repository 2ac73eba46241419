"""The facts of a snapshot's table as a graph, by columns: five million facts are no objects.

The graph is the one of `KnowledgeGraph.of`, to the last bit.

F  facts      E  entities      R  relations      T  names
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recommender.arrays.key_index import KeyIndex
from recommender.catalogue.knowledge_graph import NAME, Adjacency, KnowledgeGraph
from trainer.data.text_arrays import column_of

Ints = npt.NDArray[np.int32]


def graph_of_table(table: pa.Table) -> KnowledgeGraph:
    """Return the graph of a table with heads, relations and tails; repeated facts count once.

    Raise ValueError if one of them is missing.
    """
    columns = [table[name].cast(pa.large_string()) for name in ("head", "relation", "tail")]
    if any(column.null_count for column in columns):
        raise ValueError("a fact lacks its head, relation or tail")
    head, relation, tail = columns
    is_name = pc.equal(relation, NAME)
    stated, called = pc.invert(is_name), head.filter(is_name)
    heads, tails = head.filter(stated), tail.filter(stated)
    every_end = [*heads.chunks, *tails.chunks, *called.chunks]
    ends, entities = _in_order(pa.chunked_array(every_end, pa.large_string()))
    relation_F, relations = _in_order(relation.filter(stated))
    head_F, tail_F, named_T = np.split(ends, [len(heads), 2 * len(heads)])
    facts = _distinct(head_F, relation_F, tail_F)
    num_entities = len(entities)
    ids_E = column_of(entities)
    names_E = column_of(_names(named_T, tail.filter(is_name), num_entities))
    return KnowledgeGraph(
        ids_E=ids_E,
        names_E=names_E,
        relations_R=column_of(relations),
        by_head=Adjacency.of(facts[0], facts[1], facts[2], num_entities=num_entities),
        by_tail=Adjacency.of(facts[2], facts[1], facts[0], num_entities=num_entities),
        id_index=KeyIndex.build(ids_E),
        name_index=KeyIndex.build(names_E),
    )


def _in_order(texts: pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    """Return the place of each text among the distinct ones in order, and these."""
    encoded = texts.dictionary_encode().unify_dictionaries()
    if not encoded.num_chunks:
        return np.zeros(0, np.int32), pa.array([], pa.large_string())
    distinct = encoded.chunk(0).dictionary
    order = pc.array_sort_indices(distinct).to_numpy()
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])
    return place[codes], distinct.take(pa.array(order))


def _distinct(head_F: Ints, relation_F: Ints, tail_F: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the facts without repetition, ordered."""
    order_F = np.lexsort((tail_F, relation_F, head_F))
    ordered = [one[order_F] for one in (head_F, relation_F, tail_F)]
    is_new = np.ones(len(order_F), np.bool_)
    is_new[1:] = np.any([one[1:] != one[:-1] for one in ordered], axis=0)
    head, relation, tail = (one[is_new] for one in ordered)
    return head, relation, tail


def _names(named_T: Ints, texts: pa.ChunkedArray, num_entities: int) -> pa.Array:
    """Return each entity's name, the first in order of several; null for those without."""
    place_T, distinct = _in_order(texts)
    order_T = np.lexsort((place_T, named_T))
    entities, first = np.unique(named_T[order_T], return_index=True)
    chosen = np.zeros(num_entities, np.int64)
    chosen[entities] = place_T[order_T][first]
    is_unnamed = np.ones(num_entities, np.bool_)
    is_unnamed[entities] = False
    return distinct.take(pa.array(chosen, mask=is_unnamed))
