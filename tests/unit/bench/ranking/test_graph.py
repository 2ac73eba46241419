"""The bench of facts as text: the control has the same facts, about other items."""

from __future__ import annotations

from collections import Counter

from bench.ranking.graph import FACTS, MODELS, NO_FACTS, RANKINGS, metrics_of, shuffle_items

TRIPLES = [(f"i{number}", "genre", f"g{number % 3}") for number in range(30)]
ITEMS = [f"i{number}" for number in range(40)]


def test_shuffled_facts_are_the_same_facts_of_other_items() -> None:
    shuffled = shuffle_items(TRIPLES, ITEMS, seed=0)
    assert Counter(tail for *_, tail in shuffled) == Counter(tail for *_, tail in TRIPLES)
    assert sorted(head for head, *_ in shuffled) == sorted(head for head, *_ in TRIPLES)
    assert shuffled != TRIPLES
    assert shuffled == shuffle_items(TRIPLES, ITEMS, seed=0)


def test_the_graph_is_compared_with_both_controls() -> None:
    gains = {
        model: {"NDCG@10": [float(model == FACTS)] * 4, "HR@10": [0.0] * 4} for model in MODELS
    }
    fold = {ranking: {"users": [1, 1, 2, 3], "gains": gains} for ranking in RANKINGS}
    found = {
        (one.protocol, one.model): one.value for one in metrics_of([fold]) if one.metric != "HR@10"
    }
    assert found[RANKINGS[0], f"{FACTS} − {NO_FACTS}"] == 1.0
    assert len(found) == len(RANKINGS) * (len(MODELS) + 2)
