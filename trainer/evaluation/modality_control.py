"""The panel's quality with each modality shuffled among the items: what a modality is worth.

A modality is shuffled among the items that have it, so its values are as before and say nothing of
their items any more. What the ranking loses then is what the model gets from it. Graph models that
lose nothing are common, so every full retrain is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from recommender.bundle import Bundle
from recommender.config import FACTS
from recommender.network.model import TwoTowers
from recommender.ranking.ranker import Ranker
from trainer.config import TrainConfig
from trainer.data.dataset import EventTable
from trainer.evaluation.evaluate import evaluate, scored_events
from trainer.report import CANDIDATE, Evaluation

TEXT, ID = "text", "id"
MAX_EVENTS = 5_000  # the newest; each modality is ranked as often as all events once
SEED = 0


def evaluate_modalities(
    events: EventTable, ranker: Ranker, config: TrainConfig
) -> Evaluation | None:
    """Score a candidate with each modality shuffled; None without events or for other networks."""
    scored = scored_events(events, config, newest=MAX_EVENTS)
    if scored is None or not isinstance(ranker.bundle.model, TwoTowers):
        return None
    found = evaluate(scored, {CANDIDATE: ranker}, baselines_of=None)
    models = dict(found.models)
    for name, bundle in shuffled_bundles(ranker.bundle):
        # one at a time, because each has all item vectors
        models |= evaluate(scored, {name: Ranker(bundle)}, baselines_of=None).models
    return replace(found, models=models)


def shuffled_bundles(bundle: Bundle) -> Iterator[tuple[str, Bundle]]:
    """Yield the bundle with each of its modalities shuffled: text, slots, and ids."""
    facts, model = bundle.facts, bundle.model
    assert isinstance(model, TwoTowers)
    bundle = replace(bundle, cells=None)  # made for the vectors as they are
    if facts.has_text_N.any():
        texts_NT = facts.texts_NT[_random_rows(facts.has_text_N)]
        yield TEXT, replace(bundle, facts=replace(facts, texts_NT=texts_NT))
    column = 0
    for slot in model.slot_list:
        if slot.name == FACTS and facts.links is not None:
            order_N = _random_rows(facts.links.starts_X1.diff() > 0)
            yield FACTS, replace(bundle, facts=replace(facts, links=facts.links.at(order_N)))
        elif slot.name != FACTS and facts.modalities_NV is not None:
            modalities_NV = facts.modalities_NV.clone()
            own_NV = modalities_NV[:, column : column + slot.width]
            own_NV.copy_(own_NV[_random_rows(own_NV.any(1))])
            column += slot.width
            yield slot.name, replace(bundle, facts=replace(facts, modalities_NV=modalities_NV))
    if facts.counts_N.any():
        yield ID, replace(bundle, model=_with_shuffled_ids(model, facts.counts_N > 0))


def _with_shuffled_ids(model: TwoTowers, has_N: Tensor) -> TwoTowers:
    """Return a copy whose residuals are shuffled; biases stay with their items."""
    copy = TwoTowers(model.config, len(model.table), model.slot_list, num_terms=model.num_terms)
    weights = dict(model.state_dict())
    table_NE = weights["table"].clone()
    table_NE[:, :-2] = table_NE[_random_rows(has_N), :-2]
    copy.load_state_dict({**weights, "table": table_NE}, assign=True)
    return copy.eval()


def _random_rows(has_N: Tensor) -> Tensor:
    """Return row_N, whose entries are exchanged where `has_N`, and the row itself elsewhere."""
    row_N = torch.arange(len(has_N))
    place_X = has_N.nonzero().squeeze(1)
    order_X = torch.randperm(len(place_X), generator=torch.Generator().manual_seed(SEED))
    row_N[place_X] = place_X[order_X]
    return row_N
