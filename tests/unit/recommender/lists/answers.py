"""Asks a ranker for one answer, or for one refusal."""

from __future__ import annotations

from recommender.lists.answer import answer_batch
from recommender.ranking.ranker import Ranker
from recommender.requests.wire import BadRequest


def ask(ranker: Ranker, body: object) -> dict[str, object]:
    answer = answer_batch(ranker, [body])[0]
    assert isinstance(answer, dict), answer
    return answer


def refusal(ranker: Ranker, body: object) -> BadRequest:
    answer = answer_batch(ranker, [body])[0]
    assert isinstance(answer, BadRequest), answer
    return answer
