"""Golden answers: requests with the ranker's answers, to probe a registered version.

The probe compares a release's answers with these before it goes live. The same snapshot gives the
same requests.
"""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path

from recommender.encoder.picture_encoder import blank_picture
from recommender.lists.answer import answer_batch
from recommender.ranking.ranker import Ranker
from trainer.data.dataset import EventTable

NUM_HISTORIES = 12
_LOOKED_AT = 200  # items of which one may have a fact
NEWEST = 20  # events of a history: enough to show that order, ratings and times arrive


def write_golden(ranker: Ranker, events: EventTable, path: Path) -> None:
    """Write at most 24 requests with their answers.

    The last ones have a free text, and a picture if the release has any, so that the encoders are
    loaded before the release goes live.
    """
    requests = _requests(ranker, events)
    answers = answer_batch(ranker, requests)
    pairs = [
        {"request": request, "answer": answer}
        for request, answer in zip(requests, answers, strict=True)
        if isinstance(answer, dict)
    ]
    path.write_text(json.dumps(pairs, indent=1, ensure_ascii=False), encoding="utf-8")


def _requests(ranker: Ranker, events: EventTable) -> list[dict[str, object]]:
    requests: list[dict[str, object]] = [{"user_seq": [], "k": 10}]
    histories = _histories(events)
    items = [{"id": item.item_id} for item in ranker.catalogue[:5]]
    for number, history in enumerate(histories):
        if number % 3 == 2 and items:
            requests.append({"user_seq": history, "items": items})
        else:
            requests.append({"user_seq": history, "k": 10})
    requests += [{"similar_to": item["id"], "k": 5} for item in items[:3]]
    if ranker.has_ratings and items:
        requests += [{"user_seq": history, "item_desc": items[0]} for history in histories[:3]]
    requests += _fact_requests(ranker, histories)
    requests.append({"user_seq": ["a text that is no title here"], "k": 10})
    return requests + _picture_requests(ranker)


def _fact_requests(
    ranker: Ranker, histories: list[list[dict[str, object]]]
) -> list[dict[str, object]]:
    """Return a filter by the first fact of an item, and a list with reasons; none without facts.

    A history of one item has no shares that are nearly equal, whose order another machine changes.
    """
    graph, fact = ranker.catalogue.graph, None
    for item in ranker.catalogue[:_LOOKED_AT]:
        entity = graph.entity(item.item_id) if graph is not None else None
        links = graph.links(entity, limit=1) if graph is not None and entity is not None else []
        if links and graph is not None:
            fact = (graph.relations_R[links[0].relation], graph.ids_E[links[0].entity])
            break
    if fact is None or None in fact:
        return []
    requests: list[dict[str, object]] = [{"user_seq": [], "k": 10, "filter": {fact[0]: fact[1]}}]
    requests += [{"user_seq": one[-1:], "k": 10, "explain": True} for one in histories[:1]]
    return requests


def _picture_requests(ranker: Ranker) -> list[dict[str, object]]:
    """Return questions by the picture of an item and by one that is sent; none without pictures."""
    pictures = ranker.bundle.pictures
    if pictures is None or not bool(pictures.has_N.any()):
        return []
    item_id, _ = ranker.catalogue.name(int(pictures.has_N.nonzero()[0]))
    sent = {"picture": base64.b64encode(blank_picture()).decode()}
    return [
        {"similar_to": {"id": item_id}, "by": "picture", "k": 5},
        {"similar_to": sent, "k": 5},
    ]


def _histories(events: EventTable) -> list[list[dict[str, object]]]:
    """Return the newest events of the first users, oldest first."""
    histories: list[list[dict[str, object]]] = []
    places = [place for place in range(len(events)) if not events.impression_E[place]]
    for place in places:
        if events.user_E[place] >= NUM_HISTORIES:
            break
        while len(histories) <= events.user_E[place]:
            histories.append([])
        histories[events.user_E[place]].append(_element(events, place))
    return [history[-NEWEST:] for history in histories if history]


def _element(events: EventTable, place: int) -> dict[str, object]:
    element: dict[str, object] = {
        "id": events.items[events.item_E[place]],
        "type": events.types[events.type_E[place]],
        "at": float(events.at_s_E[place]),
    }
    rating = float(events.rating_E[place])
    return element if math.isnan(rating) else element | {"rating": rating}
