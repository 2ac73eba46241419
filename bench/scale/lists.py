"""Top-10 lists by the size of the catalogue, as the handler makes them, without TorchServe.

The time is that of `answer_batch` for one user, alone or in a batch, with and without a filter.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from bench.scale.costs import Cost, Size, peak_gib
from bench.scale.steps import (
    EVENTS_PER_USER,
    WARM_UP_STEPS,
    made_up_facts,
    made_up_items,
    made_up_model,
)
from recommender.bundle import Bundle, BundleManifest
from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from recommender.config import EncoderConfig, ModelConfig
from recommender.item_arrays import Whitening
from recommender.lists.answer import answer_batch
from recommender.network.model import ItemFacts
from recommender.ranking.ranker import Ranker
from trainer.data.dataset import Ints

NUM_KINDS = 20  # values of the attribute that a filter asks for
BATCH_SIZES = (1, 32)
TIMED_BATCHES = 20


def list_costs(size: Size) -> list[Cost]:
    """Measure exact top-10 lists of one user and of a batch, with and without a filter."""
    torch.set_num_threads(1)
    num_items = size.num_items
    items_E = made_up_items(num_items)
    ranker = Ranker(made_up_bundle(num_items, made_up_facts(num_items, items_E)))
    costs = []
    for filters in ({}, {"kind": "k1"}):
        for num_users in BATCH_SIZES:
            bodies = [made_up_body(items_E, user, filters) for user in range(num_users)]
            seconds = []
            for _ in range(WARM_UP_STEPS + TIMED_BATCHES):
                began_s = time.process_time()
                answers = answer_batch(ranker, bodies)
                seconds.append(time.process_time() - began_s)
            assert all(map(_has_ten_items, answers))
            filtered = f", filtered to 1/{NUM_KINDS}" if filters else ""
            costs.append(
                Cost(
                    size=size,
                    what=f"top-10 for one user in a batch of {num_users}{filtered}",
                    value=1000 * float(np.median(seconds[WARM_UP_STEPS:])) / num_users,
                    unit="ms",
                    peak_gib=peak_gib(),
                )
            )
    return costs


def made_up_bundle(num_items: int, facts: ItemFacts) -> Bundle:
    """Return an untrained bundle of the default network, whose items have one attribute."""
    config = ModelConfig()
    items = (
        CatalogueItem(
            item_id=f"i{row}", title=f"Item {row}", attributes={"kind": f"k{row % NUM_KINDS}"}
        )
        for row in range(num_items)
    )
    return Bundle(
        manifest=BundleManifest(
            model=config,
            encoder=EncoderConfig(),
            encoder_digest=None,
            rating_scale=(1.0, 5.0),
            num_items=num_items,
            files={},
        ),
        catalogue=Catalogue(items),
        model=made_up_model(num_items),
        facts=facts,
        whitening=Whitening(
            mean_R=torch.zeros(config.text_dim), components_RT=torch.zeros(1, config.text_dim)
        ),
    )


def made_up_body(items_E: Ints, user: int, filters: dict[str, str]) -> dict[str, object]:
    """Return a user's request for ten items, with the whole history."""
    history = items_E[user * EVENTS_PER_USER : (user + 1) * EVENTS_PER_USER]
    return {"user_seq": [f"i{row}" for row in history], "k": 10, "filter": filters}


def _has_ten_items(answer: object) -> bool:
    return isinstance(answer, dict) and len(answer["items"]) == 10
