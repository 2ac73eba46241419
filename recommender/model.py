"""The networks that a bundle can hold, behind one set of calls: the two towers, the baseline without training, the sketch.

Know tensors only: no ids, files, texts or requests. `recommender.ranker` uses them to serve,
`trainer.loop` to train. Each has `item_side(facts)`, `text_side(texts_MT)`, `states(side,
histories)`, `logits(side, state_XD)`, `ratings(side, state_XD, rows_XK)`, a `config`, the width
`state_dim` of its states, and the ratings' mean and spread; the trained ones have a `table` of item
rows.

    B  users            L  events of a history    S  states, L + 1: before the first event, after each
    N  items            M  free texts             T  text vector
    D  width            H  attention heads        E  columns of the item table, D + 2 (of the sketch D)
"""

from __future__ import annotations

from recommender.baseline import Baseline
from recommender.biases import ITEM_SHRINKAGE
from recommender.config import ModelConfig
from recommender.sketch import Sketch
from recommender.tensors import EVENT_TYPES, HistoryBatch, ItemFacts, ItemSide, event_type_code
from recommender.two_towers import TwoTowers

__all__ = [
    "EVENT_TYPES",
    "ITEM_SHRINKAGE",
    "Baseline",
    "HistoryBatch",
    "ItemFacts",
    "ItemSide",
    "Recommender",
    "Sketch",
    "Trained",
    "TwoTowers",
    "event_type_code",
    "new_model",
]

Trained = TwoTowers | Sketch
Recommender = Trained | Baseline


def new_model(config: ModelConfig, num_items: int) -> Recommender:
    """Return an untrained network for a catalogue; torch's generator draws its weights."""
    if config.tower == "baseline":
        return Baseline(config)
    return Sketch(config, num_items) if config.tower == "sketch" else TwoTowers(config, num_items)
