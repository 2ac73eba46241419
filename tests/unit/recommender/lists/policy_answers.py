"""Asks a ranker for lists by a policy, and reads the items of the answers."""

from __future__ import annotations

from collections.abc import Mapping

from recommender.ranking.ranker import Ranker
from tests.unit.recommender.lists.answers import ask

USER: list[object] = [{"id": "i3", "rating": 5}, "i8"]
RULES: dict[str, object] = {
    "boosts": [{"attribute": "year", "value": 1992, "add": 0.5}],
    "diversity": 0.3,
    "at_most": {"year": 3},
    "pinned": ["i9"],
}


def answer(ranker: Ranker, policy: object, **more: object) -> dict[str, object]:
    return ask(ranker, {"user_seq": USER, "k": 10, "policy": policy, **more})


def items(found: Mapping[str, object]) -> list[dict[str, object]]:
    listed = found["items"]
    assert isinstance(listed, list)
    return listed


def ids(found: Mapping[str, object]) -> list[str]:
    return [str(item["id"]) for item in items(found)]
