"""Vectors of entities and relations from the facts alone, as first values of their terms.

TransE (Bordes et al. 2013): the head of a fact plus its relation is near its tail. It is trained
with a softmax over the facts of a batch, whose tails are each other's negatives, and the other way.
A term of a relation is what leads from the entity at the other end to the item: the mean of an
item's facts is then an estimate of the item's own vector, whether the item was in a fact or not.

F  facts of a batch      E  entities      R  relations      W  width
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from recommender.arrays.text_column import TextColumn
from recommender.catalogue.knowledge_graph import KnowledgeGraph
from trainer.data.fact_terms import AS_HEAD, AS_TAIL, ENTITY

# None was searched.
EPOCHS = 20
FACTS_AT_ONCE = 1_024
LR = 0.01
SHARPNESS = 10.0  # of the softmax over squared distances


def pretrained_terms(graph: KnowledgeGraph, names: TextColumn, *, width: int, seed: int) -> Tensor:
    """Return vectors_TW of terms with unit variance; zeros for what is in no fact of the graph."""
    entity_EW, relation_RW = _translations(graph, width, torch.Generator().manual_seed(seed))
    terms_TW = torch.zeros(len(names), width)
    for row, name in enumerate(names):
        kind, key = (name or " ")[0], (name or " ")[1:]
        if kind == ENTITY and (entity := graph.entity(key)) is not None:
            terms_TW[row] = entity_EW[entity]
        elif kind in (AS_HEAD, AS_TAIL) and (relation := graph.relation(key)) is not None:
            terms_TW[row] = relation_RW[relation] * (-1.0 if kind == AS_HEAD else 1.0)
    spread = entity_EW.std().clamp(min=1e-6) if len(entity_EW) else torch.ones(())
    return terms_TW / spread


def _translations(
    graph: KnowledgeGraph, width: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Train and return entity_EW and relation_RW."""
    num_entities, num_relations = len(graph.ids_E), len(graph.relations_R)
    entity_EW = torch.randn(num_entities, width, generator=generator) / width**0.5
    relation_RW = torch.zeros(num_relations, width)
    facts_F3 = _facts(graph)
    with torch.enable_grad():
        weights = [entity_EW.requires_grad_(), relation_RW.requires_grad_()]
        adam = torch.optim.Adam(weights, lr=LR)
        for _ in range(EPOCHS):
            order_F = torch.randperm(len(facts_F3), generator=generator)
            for places_F in torch.split(order_F, FACTS_AT_ONCE):
                loss = _loss(entity_EW, relation_RW, facts_F3[places_F])
                adam.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                adam.step()
    return entity_EW.detach(), relation_RW.detach()


def _facts(graph: KnowledgeGraph) -> Tensor:
    """Return head, relation and tail of all facts."""
    by_head = graph.by_head
    lengths_E = np.diff(by_head.starts_E1)
    head_F = np.arange(len(lengths_E)).repeat(lengths_E)
    columns = (head_F, by_head.relation_F, by_head.entity_F)
    return torch.from_numpy(np.stack([column.astype(np.int64) for column in columns], axis=1))


def _loss(entity_EW: Tensor, relation_RW: Tensor, facts_F3: Tensor) -> Tensor:
    head_FW, tail_FW = entity_EW[facts_F3[:, 0]], entity_EW[facts_F3[:, 2]]
    led_to_FW = head_FW + relation_RW[facts_F3[:, 1]]
    near_FF = -SHARPNESS * torch.cdist(led_to_FW, tail_FW).square()
    # the same tail in two facts of a batch is no negative
    same_FF = facts_F3[:, 2].unsqueeze(1) == facts_F3[:, 2]
    same_head_FF = facts_F3[:, 0].unsqueeze(1) == facts_F3[:, 0]
    other_FF = (same_FF | same_head_FF) & ~torch.eye(len(facts_F3), dtype=torch.bool)
    near_FF = near_FF.masked_fill(other_FF, float("-inf"))
    own_F = torch.arange(len(facts_F3))
    return F.cross_entropy(near_FF, own_F) + F.cross_entropy(near_FF.T, own_F)
