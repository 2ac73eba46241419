"""Answers a batch of request bodies together; one bad body does not affect the others.

B  users                     K  items of a user
M  distinct free texts       T  width of a text vector
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from recommender.arrays.best_rows import Rows, Scores
from recommender.catalogue.catalogue import Catalogue
from recommender.lists.fact_paths import FactPaths
from recommender.lists.fact_similarity import fact_shares
from recommender.lists.page_item import lean_to_items
from recommender.lists.reasons import ReasonsQuestion, reasons
from recommender.lists.resolve import Plan, Texts, plan, texts_of_batch
from recommender.lists.ruled_lists import RuledList, ruled_lists
from recommender.lists.search import searches
from recommender.ranking.ranker import Ranker
from recommender.requests.batch_work import Work
from recommender.requests.body import parse
from recommender.requests.wire import (
    MAX_BODIES,
    BadRequest,
    Busy,
    JsonObject,
    PictureRequest,
    ScoreRequest,
    SearchRequest,
    SimilarRequest,
    TopRequest,
    error_body,
)

Answer = JsonObject | list[JsonObject] | BadRequest | Busy

PLANS_AT_ONCE = 64  # scores of 64 users over 100,000 items take 26 MB
DECIMALS = 6  # float32 holds no more
PROPENSITY_DIGITS = 9  # significant ones: small propensities weigh most in an evaluation


def answer_batch(ranker: Ranker, bodies: Sequence[object]) -> list[Answer]:
    """Return one answer for each body, in the order given.

    A bad body gives a BadRequest. A body that would make the batch too large gives Busy. A list of
    bodies gives a list of answers, where a bad one is `{"error": …}`. All free texts are encoded
    together and all users are read together. Scores do not depend on how bodies are batched, up to
    float32 rounding.
    """
    texts = texts_of_batch(ranker)
    work = Work()
    planned = [_plan_body(ranker, body, work, texts) for body in bodies]
    plans = [one for group in planned for one in _plans_in(group)]
    texts_MT = ranker.text_vectors(list(texts.rows)) if texts.rows else None
    answers = iter(_answer_plans(ranker, plans, texts_MT))
    return [_assemble(group, answers) for group in planned]


_One = Plan | BadRequest
_Planned = _One | Busy | list[_One]


def _plan_body(ranker: Ranker, body: object, work: Work, texts: Texts) -> _Planned:
    texts.next_request()
    try:
        return _plan_values(ranker, work.take(body), texts)
    except (BadRequest, Busy) as error:
        texts.drop_request()
        return error


def _plan_values(ranker: Ranker, value: object, texts: Texts) -> _One | list[_One]:
    if not isinstance(value, list):
        return plan(ranker, parse(value), texts)
    if not 1 <= len(value) <= MAX_BODIES:
        raise BadRequest(
            "body", found=f"a list of {len(value)} bodies", expected=f"1 to {MAX_BODIES}"
        )
    group: list[_One] = []
    for one in value:
        try:
            group.append(plan(ranker, parse(one), texts))
        except BadRequest as error:
            group.append(error)
    return group


def _plans_in(group: _Planned) -> list[Plan]:
    ones = group if isinstance(group, list) else [group]
    return [one for one in ones if isinstance(one, Plan)]


def _answer_plans(
    ranker: Ranker, plans: Sequence[Plan], texts_MT: Tensor | None
) -> list[JsonObject]:
    """Return the answers in the order of the plans; they are computed by kind of request."""
    answers: dict[int, JsonObject] = {}
    for kind, answer in ((ScoreRequest, _scores), (TopRequest, _top), (SearchRequest, searches)):
        chosen = [index for index, one in enumerate(plans) if isinstance(one.request, kind)]
        for start in range(0, len(chosen), PLANS_AT_ONCE):
            part = chosen[start : start + PLANS_AT_ONCE]
            answers |= zip(
                part, answer(ranker, [plans[index] for index in part], texts_MT), strict=True
            )
    for index, one in enumerate(plans):
        if isinstance(one.request, SimilarRequest):
            answers[index] = _similar(ranker, one, one.request, texts_MT)
        elif isinstance(one.request, PictureRequest):
            assert ranker.pictures is not None
            cosine_N = ranker.pictures.cosines(one.picture_P)
            answers[index] = _look_alikes(ranker, one, cosine_N, one.request.k)
    return [answers[index] for index in range(len(plans))]


def _scores(ranker: Ranker, plans: Sequence[Plan], texts_MT: Tensor | None) -> Iterator[JsonObject]:
    state_BD = ranker.user_states([one.history for one in plans], texts_MT)
    rows = [[item.row for item in one.items if item.row is not None] for one in plans]
    text_rows = [
        [item.text_row for item in one.items if item.text_row is not None] for one in plans
    ]
    by_row = _row_ratings(ranker, state_BD, rows)
    by_text = [[0.0]] * len(plans)
    if texts_MT is not None and any(text_rows):
        by_text = ranker.text_ratings(state_BD, texts_MT[_pad_rows(text_rows)]).tolist()
    for one, of_rows, of_texts in zip(plans, by_row, by_text, strict=True):
        next_row, next_text = iter(of_rows), iter(of_texts)
        scores = []
        for item in one.items:
            rating = next(next_row) if item.row is not None else next(next_text)
            scores.append(round(rating, DECIMALS))
        single = isinstance(one.request, ScoreRequest) and one.request.single
        answer: JsonObject = {"score": scores[0]} if single else {"scores": scores}
        yield answer | {"resolved": list(one.resolved), "resolved_items": list(one.resolved_items)}


def _top(ranker: Ranker, plans: Sequence[Plan], texts_MT: Tensor | None) -> Iterator[JsonObject]:
    state_BD = ranker.user_states([one.history for one in plans], texts_MT)
    state_BD = lean_to_items(ranker, plans, state_BD, texts_MT)
    ruled = ruled_lists(ranker, plans, state_BD)
    best = _lists(ranker, plans, state_BD, ruled)
    rows = [found.tolist() for found, _ in best]
    ratings = _row_ratings(ranker, state_BD, rows) if ranker.has_ratings else [None] * len(plans)
    explained = _reasons(ranker, plans, rows)
    for user, (one, of_rows, (_, scores), of_ratings) in enumerate(
        zip(plans, rows, best, ratings, strict=True)
    ):
        items = _items(ranker.catalogue, of_rows, scores.tolist())
        # Ratings are padded to the longest list of the batch, hence no strict zip.
        for item, rating in zip(items, of_ratings or (), strict=False):
            item["rating"] = round(rating, DECIMALS)
        for item, reason in zip(items, explained.get(user, ()), strict=False):
            item["reason"] = reason
        answer: JsonObject = {"items": items, "resolved": list(one.resolved)}
        if isinstance(one.request, TopRequest) and one.request.propensities_of is not None:
            found = list(map(_round_propensity, ruled[user].propensities))
            answer = {"propensities": found, "resolved": list(one.resolved)}
            if one.request.alternatives:
                answer["alternatives"] = _alternatives(ranker.catalogue, ruled[user])
        if user in ruled:
            _add_rules(answer, items, ruled[user])
        yield answer | {"unknown": list(one.unknown)} if one.unknown else answer


def _add_rules(answer: JsonObject, items: Sequence[JsonObject], ruled: RuledList) -> None:
    """Add the policy with its propensities, the moves, and which rules could not be applied."""
    if ruled.policy is not None:
        answer["policy"] = ruled.policy
    for item, propensity in zip(items, ruled.propensities, strict=False):
        item["propensity"] = _round_propensity(propensity)
    for item, rank in zip(items, ruled.greedy_ranks, strict=False):
        item["greedy_rank"] = rank
    for item, moves in zip(items, ruled.moves, strict=False):
        item["moved"] = [
            {"rule": move.rule, "before": move.before, "after": move.after} for move in moves
        ]
    if ruled.not_applied:
        answer["not_applied"] = list(ruled.not_applied)


def _alternatives(catalogue: Catalogue, ruled: RuledList) -> list[list[JsonObject]]:
    return [
        [
            {
                "id": catalogue.name(one.row)[0],
                "score": round(one.score, DECIMALS),
                "propensity": _round_propensity(one.propensity),
            }
            for one in alternatives
        ]
        for alternatives in ruled.alternatives
    ]


def _round_propensity(propensity: float) -> float:
    return float(f"{propensity:.{PROPENSITY_DIGITS}g}")


def _lists(
    ranker: Ranker, plans: Sequence[Plan], state_BD: Tensor, ruled: Mapping[int, RuledList]
) -> Sequence[tuple[Rows, Scores]]:
    """Return the best rows of each plan; candidates are scored one plan after the other."""
    k = [one.request.k for one in plans if isinstance(one.request, TopRequest)]
    lists = {user: (one.rows, one.scores) for user, one in ruled.items()}
    plain = [user for user in range(len(plans)) if user not in ruled]
    whole = [user for user in plain if plans[user].candidate_rows is None]
    best = ranker.top_lists(
        state_BD[whole],
        [k[user] for user in whole],
        [plans[user].allowed_N for user in whole],
        [plans[user].excluded_rows for user in whole],
    )
    lists |= zip(whole, best, strict=True)
    for user in plain:
        candidates = plans[user].candidate_rows
        if candidates is not None:
            lists[user] = ranker.best_of(candidates, state_BD[[user]], k[user])
    return [lists[user] for user in range(len(plans))]


def _reasons(
    ranker: Ranker, plans: Sequence[Plan], rows: Sequence[Sequence[int]]
) -> dict[int, list[JsonObject]]:
    """Return the reasons of the plans that ask for them, by place."""
    explained = [
        user
        for user, one in enumerate(plans)
        if isinstance(one.request, TopRequest) and one.request.explain
    ]
    asked = [ReasonsQuestion(history=plans[user].history, rows=rows[user]) for user in explained]
    return dict(zip(explained, reasons(ranker, asked), strict=True)) if asked else {}


def _similar(
    ranker: Ranker, one: Plan, request: SimilarRequest, texts_MT: Tensor | None
) -> JsonObject:
    place = one.items[0]
    if request.by == "picture" and ranker.pictures is not None:
        if place.row is not None:
            cosine_N = ranker.pictures.cosines_with_item(place.row)
        else:
            assert one.picture_P is not None
            cosine_N = ranker.pictures.cosines_with_text(one.picture_P)
        but = () if place.row is None else (place.row,)
        found = _look_alikes(ranker, one, cosine_N, request.k, but=but)
        return found | {"resolved_items": list(one.resolved_items)}
    if request.by == "facts" and place.row is not None:
        paths = FactPaths(ranker.catalogue, ranker.bundle.manifest.relations)
        share_N = fact_shares(ranker.catalogue, paths, place.row)
        found = _look_alikes(ranker, one, share_N, request.k, but=(place.row,))
        return found | {"resolved_items": list(one.resolved_items)}
    text_T = (
        texts_MT[place.text_row] if texts_MT is not None and place.text_row is not None else None
    )
    rows, scores = ranker.similar(
        row=place.row, text_T=text_T, k=request.k, by=request.by, allowed_N=one.allowed_N
    )
    return {
        "items": _items(ranker.catalogue, rows.tolist(), scores.tolist()),
        "resolved_items": list(one.resolved_items),
    }


def _look_alikes(
    ranker: Ranker, one: Plan, cosine_N: Tensor, k: int, *, but: tuple[int, ...] = ()
) -> JsonObject:
    """Return the items of the highest cosines; those of NaN are left out."""
    rows, scores = ranker.top_k(cosine_N.unsqueeze(0), [k], [one.allowed_N], [but])[0]
    return {"items": _items(ranker.catalogue, rows.tolist(), scores.tolist())}


def _items(catalogue: Catalogue, rows: Sequence[int], scores: Sequence[float]) -> list[JsonObject]:
    named = [(catalogue.name(row), score) for row, score in zip(rows, scores, strict=True)]
    return [
        {"id": item_id, "title": title, "score": round(score, DECIMALS)}
        for (item_id, title), score in named
    ]


def _row_ratings(
    ranker: Ranker, state_BD: Tensor, rows: Sequence[Sequence[int]]
) -> list[list[float]]:
    """Return predicted ratings of each user's rows; every list is padded to the longest."""
    if not any(rows):
        return [[] for _ in rows]
    ratings: list[list[float]] = ranker.ratings(state_BD, _pad_rows(rows)).tolist()
    return ratings


def _pad_rows(rows: Sequence[Sequence[int]]) -> Tensor:
    longest = max(len(one) for one in rows)
    return torch.tensor([[*one, *[0] * (longest - len(one))] for one in rows], dtype=torch.long)


def _assemble(group: _Planned, answers: Iterator[JsonObject]) -> Answer:
    """Return a body's answer or error; `answers` come in the order of the plans."""
    if not isinstance(group, list):
        return group if isinstance(group, BadRequest | Busy) else next(answers)
    rendered = []
    for one in group:
        rendered.append(error_body(one) if isinstance(one, BadRequest) else next(answers))
    return rendered
