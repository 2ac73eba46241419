"""A made-up shop whose items have kinds that texts, facts or pictures tell; users like two."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench.data.rendered_pictures import KINDS, render_picture, thumbnails_of
from bench.data.sets import RatingsSet

NUM_KINDS, NUM_ITEMS, NUM_USERS, EVENTS_EACH = 8, 400, 1_000, 20
MAKERS_OF_KIND = 4
RANDOM_SHARE = 0.1  # of events on an item of any kind

Triple = tuple[str, str, str]


def planted_kinds(*, seed: int = 0) -> RatingsSet:
    """Return the shop; the text of an item names its kind."""
    rng = np.random.default_rng(seed)
    kinds_U2 = np.array([rng.choice(NUM_KINDS, 2, replace=False) for _ in range(NUM_USERS)])
    events = []
    for user in range(NUM_USERS):
        liked_N = np.isin(np.arange(NUM_ITEMS) % NUM_KINDS, kinds_U2[user])
        items = rng.permutation(np.flatnonzero(liked_N))[:EVENTS_EACH]
        is_random = rng.random(len(items)) < RANDOM_SHARE
        items = np.where(is_random, rng.integers(0, NUM_ITEMS, len(items)), items)
        events += [(rng.random(), user, int(item)) for item in items]
    at_E, users_E, items_E = (np.array(column) for column in zip(*sorted(events), strict=True))
    records = [
        {"title": f"Item {number}", "text": f"Item {number}. {_word(kind_of(number))}"}
        for number in range(NUM_ITEMS)
    ]
    return RatingsSet(
        name="planted",
        users_E=users_E,
        items_E=items_E,
        ratings_E=np.full(len(items_E), np.nan),
        at_s_E=1e9 + at_E * 1e7,
        item_ids=[f"i{number}" for number in range(NUM_ITEMS)],
        items=[{**record, "attributes": {}} for record in records],
    )


def kind_of(item: int) -> int:
    """Return the kind of an item."""
    return item % NUM_KINDS


def with_kinds_alone(data: RatingsSet) -> RatingsSet:
    """Return the shop with texts that name the kind and say nothing else."""
    numbers = range(len(data.items))
    records = [{"title": "Item", "text": _word(kind_of(number))} for number in numbers]
    return replace(data, items=[{**record, "attributes": {}} for record in records])


def without_kinds(data: RatingsSet) -> RatingsSet:
    """Return the shop with texts that say nothing."""
    records = [{"title": "Item", "text": "Item", "attributes": {}} for _ in data.items]
    return replace(data, items=records)


def facts_of_kinds(data: RatingsSet, *, seed: int = 0) -> list[Triple]:
    """Return two makers of each item, of which each makes items of one kind."""
    rng = np.random.default_rng(seed)
    facts: list[Triple] = []
    for number, item_id in enumerate(data.item_ids):
        makers: NDArray[np.int64] = rng.choice(MAKERS_OF_KIND, 2, replace=False)
        facts += [(item_id, "maker", f"m{kind_of(number)}.{maker}") for maker in makers.tolist()]
    return facts


def thumbnails_of_kinds(data: RatingsSet, *, seed: int = 0) -> list[bytes]:
    """Return a rendered picture of each item; those of a kind share shape, colour and letter."""
    draw_of = random.Random(seed)
    shown = [render_picture(KINDS[kind_of(number)], draw_of) for number in range(len(data.items))]
    return thumbnails_of(shown)


def _word(kind: int) -> str:
    return ("boat", "lamp", "drum", "coat", "cake", "tree", "book", "wheel")[kind]
