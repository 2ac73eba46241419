"""What the ids of known items say along their content, given to the content of all items.

Ids learn from the same events as the weights that read texts, pictures and facts. So a part of what
these say of a known item ends in its id, and makes the item's vector longer. A new item has no id,
and known items that are like it would be ranked before it. This part is one share for the whole
network: a least squares fit of ids on contents, weighted by events. Unweighted, the many ids of few
events decide, and new films are seen less (docs/log.md).

Content is multiplied by one plus the share, and the id of each known item gives it up, so that the
vectors of known items stay as they are, up to rounding.

Letters are those of `recommender.network.model`; X rows of a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor

from recommender.network.model import ItemBlock, ItemFacts, Trained, TwoTowers
from recommender.network.slots import SlotAdapter
from recommender.network.tensors import ROWS_AT_ONCE


@torch.no_grad()
def move_share_to_content(model: Trained, facts: ItemFacts) -> float:
    """Move the share from the ids of items with events to the weights; return it.

    It is 0 for networks other than the two towers, and where nothing is known but events.
    """
    if not isinstance(model, TwoTowers):
        return 0.0
    products, squares = 0.0, 0.0
    for rows, content_XD in _contents(model, facts):
        weight_X1 = facts.counts_N[rows].double().unsqueeze(1)
        weighted_XD = weight_X1 * content_XD
        products += float((weighted_XD * model.table[rows, :-2]).sum())
        squares += float((weighted_XD * content_XD).sum())
    if squares <= 0.0:
        return 0.0
    share = products / squares
    for rows, content_XD in _contents(model, facts):
        known_X1 = (facts.counts_N[rows] > 0).unsqueeze(1)
        model.table[rows, :-2] -= share * content_XD * known_X1
    for weight in _content_weights(model):
        weight.mul_(1.0 + share)
    return share


def _contents(model: TwoTowers, facts: ItemFacts) -> Iterator[tuple[slice, Tensor]]:
    """Yield rows and what is known of these items beside their events, as a part of the vector."""
    terms_YW = model.term_vectors(facts.neighbours)
    no_ids_NE = torch.zeros(1, 1).expand_as(model.table)
    start = 0
    for block in ItemBlock.parts(facts, no_ids_NE, terms_YW, at_once=ROWS_AT_ONCE):
        content_XD = model.block_side(block).vectors_ND
        yield slice(start, start + len(content_XD)), content_XD
        start += len(content_XD)


def _content_weights(model: TwoTowers) -> Iterator[Tensor]:
    """Yield the weights of which each content is a sum of products with one."""
    yield model.adapter.weight
    yield model.adapter.bias
    for slot in model.slots.values():
        yield cast(SlotAdapter, slot).gate
