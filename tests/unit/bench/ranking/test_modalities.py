"""The bench of facts in the item tower: what it trains, and what it compares."""

from __future__ import annotations

from collections import Counter

from bench.data.planted_kinds import facts_of_kinds, kind_of, planted_kinds, without_kinds
from bench.ranking.modalities import (
    FACTS,
    FILM_MODELS,
    NO_FACTS,
    RANKINGS,
    SHUFFLED,
    film_model,
    metrics_of,
)
from bench.report.labels import RANDOM

TRIPLES = [(f"i{number}", "genre", f"g{number % 3}") for number in range(30)]
ITEMS = [f"i{number}" for number in range(30)]


def test_the_control_reads_the_same_facts_of_other_films() -> None:
    none, real, shuffled = (film_model(name, TRIPLES, ITEMS) for name in FILM_MODELS)
    assert none.config.facts.model == "off"
    assert real.config == shuffled.config
    assert real.config.facts.model == "embeddings"
    assert sorted(tail for *_, tail in shuffled.triples) == sorted(tail for *_, tail in TRIPLES)
    assert list(shuffled.triples) != TRIPLES


def test_facts_are_compared_with_none_and_with_shuffled_ones() -> None:
    fold = {
        name: {
            ranking: {"users": [1, 1, 2], "gains": [float(name == FACTS)] * 3, RANDOM: [0.5] * 3}
            for ranking in RANKINGS
        }
        for name in FILM_MODELS
    }
    found = metrics_of("ml-100k", [fold], FILM_MODELS, (NO_FACTS, SHUFFLED))
    values = {(one.protocol, one.model): one.value for one in found}
    for ranking in RANKINGS:
        assert values[ranking, f"{FACTS} − {NO_FACTS}"] == 1.0
        assert values[ranking, f"{FACTS} − {SHUFFLED}"] == 1.0
        assert values[ranking, RANDOM] == 0.5


def test_makers_tell_the_kinds_that_texts_no_longer_name() -> None:
    data = planted_kinds()
    kinds = {(tail, kind_of(int(head[1:]))) for head, _, tail in facts_of_kinds(data)}
    assert max(Counter(maker for maker, _ in kinds).values()) == 1
    assert len({str(item) for item in without_kinds(data).items}) == 1
    assert len({str(item) for item in data.items}) == len(data.item_ids)
