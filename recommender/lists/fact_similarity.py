"""Items similar to one by facts: the share of what its facts name that others have too.

What few facts name counts more: a node with n of the graph's facts weighs log(1 + N / n), for N
items, so one director outweighs one country. A node with more than MAX_FACTS is left out, and so is
a hidden item. Relations do not matter: who directs one film may act in the other.

N  items
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recommender.catalogue.catalogue import Catalogue
from recommender.lists.fact_paths import FactPaths, Node

MAX_FACTS = 5_000  # of a node: what so many items share says little, and takes a millisecond


def fact_shares(catalogue: Catalogue, paths: FactPaths, row: int) -> Tensor:
    """Return the share_N of an item's facts that the others share, at most 1; NaN without one."""
    share_N = torch.full((len(catalogue),), math.nan)
    if catalogue.hidden_N[row]:
        return share_N
    weights, weight_of_item = 0.0, dict[int, float]()
    for node in paths.facts_of(row):
        num_facts = paths.num_facts(node)
        if num_facts > MAX_FACTS or paths.is_hidden(node):
            continue
        weight = math.log1p(len(catalogue) / max(1, num_facts))
        weights += weight
        for other in _items_of(catalogue, node):
            weight_of_item[other] = weight_of_item.get(other, 0.0) + weight
    for other, weight in weight_of_item.items():
        share_N[other] = weight / weights
    share_N[row] = math.nan
    return share_N


def _items_of(catalogue: Catalogue, node: Node) -> set[int]:
    """Return the rows of the items that facts relate to a node, and of the item that it is."""
    if isinstance(node, tuple):
        name, value = node
        return set(catalogue.filter_rows({name: value}).nonzero()[0].tolist())
    graph = catalogue.graph
    assert graph is not None
    links = graph.links(node, limit=MAX_FACTS)
    ids = [graph.ids_E[entity] or "" for entity in {node, *(link.entity for link in links)}]
    return {row for row in catalogue.rows(ids) if row is not None}
