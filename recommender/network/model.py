"""The networks that a bundle can hold, all with the same methods.

They are the two towers, the untrained baseline, and the sketch. They handle tensors only;
`recommender.ranking.ranker` serves with them and `trainer.learning.loop` trains them. Each has
`item_side(facts)`, `text_side(texts_MT)`, `states(side, histories)`, `last_states` (only those of
whole histories), `logits(side, state_XD)`, `queries(state_XD)` (by whose products with the item
vectors it ranks), `add_to_queries(state_XD, more_XD)`, `ratings(side, state_XD, rows_XK)`,
`block_side(block)` (the item side of some rows), a `config`, the width `state_dim` of its states,
and the mean and spread of the ratings. The trained ones have a `table` of item rows.

    B  users      L  events of a history      S  states, L + 1: before the first and after each
    N  items      M  free texts               T  text vector
    D  width      H  attention heads          E  columns of the item table, D + 2 (in the sketch D)
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from recommender.config import ModelConfig, Slot
from recommender.network.baseline import Baseline
from recommender.network.biases import ITEM_SHRINKAGE
from recommender.network.sketch import Sketch
from recommender.network.tensors import (
    EVENT_TYPES,
    HistoryBatch,
    ItemBlock,
    ItemFacts,
    ItemSide,
    event_type_code,
    event_type_codes,
)
from recommender.network.two_towers import TwoTowers

__all__ = [
    "EVENT_TYPES",
    "ITEM_SHRINKAGE",
    "Baseline",
    "HistoryBatch",
    "ItemBlock",
    "ItemFacts",
    "ItemSide",
    "Recommender",
    "Sketch",
    "Trained",
    "TwoTowers",
    "event_type_code",
    "event_type_codes",
    "new_model",
    "terms_of",
]

Trained = TwoTowers | Sketch
Recommender = Trained | Baseline


def new_model(
    config: ModelConfig, num_items: int, slots: Sequence[Slot] = (), *, num_terms: int = 0
) -> Recommender:
    """Return an untrained network for a catalogue; weights come from torch's generator.

    Only the two towers read `slots`.
    """
    if config.tower == "baseline":
        return Baseline(config)
    if config.tower == "sketch":
        return Sketch(config, num_items)
    return TwoTowers(config, num_items, slots, num_terms=num_terms)


def terms_of(model: Recommender, facts: ItemFacts) -> Tensor | None:
    """Return the terms that a network's item tower reads; None for one that reads no facts."""
    return model.term_vectors(facts.neighbours) if isinstance(model, TwoTowers) else None
