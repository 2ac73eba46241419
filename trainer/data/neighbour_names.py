"""The texts that the encoder reads of items, with the names of what facts relate them to.

Names are appended to an item's own text, those first that the fewest other facts name. What is
related to no other item says nothing about others, so it is left out, and so are hidden items.
"""

from __future__ import annotations

from collections.abc import Iterator

from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.knowledge_graph import MAX_LINKS, KnowledgeGraph

MAX_NAMES = 12  # an encoder reads 128 tokens by default, and a title with genres takes 30
_FEW_LINKS = 4


def encoder_text(catalogue: Catalogue, row: int, *, with_names: bool) -> str | None:
    """Return the text that the encoder reads of an item; None if there is nothing to read."""
    text = catalogue.text(row)
    if not with_names or catalogue.graph is None:
        return text
    names = list(_names(catalogue, catalogue.graph, row))
    parts = [] if text is None else [text]
    return ". ".join([*parts, ", ".join(names)]) if names else text


def encoder_texts(catalogue: Catalogue, *, with_names: bool) -> Iterator[tuple[int, str]]:
    """Yield the row and the text of each item that has one."""
    if with_names and catalogue.graph is not None:
        texts: Iterator[str | None] = (
            encoder_text(catalogue, row, with_names=True) for row in range(len(catalogue))
        )
    else:
        texts = catalogue.all_texts()
    for row, text in enumerate(texts):
        if text is not None:
            yield row, text


def _names(catalogue: Catalogue, graph: KnowledgeGraph, row: int) -> Iterator[str]:
    """Yield the names of what an item is related to, each once."""
    entity = graph.entity(catalogue.name(row)[0])
    if entity is None:
        return
    others = {link.entity for link in graph.links(entity, limit=MAX_LINKS)} - {entity}
    names: set[str] = set()
    for one in sorted(others, key=lambda other: (graph.num_links(other), other)):
        name = _name(catalogue, graph, one) if _is_shared(graph, one) else None
        if name is not None and name not in names:
            names.add(name)
            yield name
        if len(names) == MAX_NAMES:
            return


def _is_shared(graph: KnowledgeGraph, entity: int) -> bool:
    """Return whether facts relate an entity to two others; a fact may be stated both ways."""
    return len({link.entity for link in graph.links(entity, limit=_FEW_LINKS)}) > 1


def _name(catalogue: Catalogue, graph: KnowledgeGraph, entity: int) -> str | None:
    """Return how an entity is called, or else its id; None for a hidden item."""
    entity_id = graph.ids_E[entity] or ""
    row = catalogue.row(entity_id)
    if row is None:
        return graph.names_E[entity] or entity_id
    return None if catalogue.hidden_N[row] else catalogue.name(row)[1] or entity_id
