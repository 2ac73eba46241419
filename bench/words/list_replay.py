"""Lists of films as they would have been shown, and why each film is in its list.

The ratings of MovieLens 100K are replayed by time. Before each 20th rating of a user, the user gets
a list by the cosine similarity of the films' audiences so far. The reason of a film is the film
of the user's history that is most like it, with a fact of the graph that both share, if any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.data.sets import RatingsSet
from bench.words.film_facts import FilmFacts
from copywriter.brief import BriefItem, SharedFact
from copywriter.list_briefs import ListReason, describe_item

LENGTH = 10
EACH = 20  # ratings of a user between two lists
LIKED = 4.0
MIN_AUDIENCE = 10  # films with fewer ratings have no similarity worth the name


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFilm:
    """A film in a list, and the film of the history that it is most like; popular without one."""

    film: FilmFacts
    near: FilmFacts | None


def replayed_lists(
    ratings: RatingsSet, films: Mapping[str, FilmFacts]
) -> Iterator[Sequence[ShownFilm]]:
    """Yield the lists of a replay in the order of time."""
    num_users, num_items = ratings.num_users, len(ratings.item_ids)
    seen_UN = np.zeros((num_users, num_items), bool)
    liked_UN = np.zeros((num_users, num_items), bool)
    both_NN = np.zeros((num_items, num_items), np.float32)
    num_rated = np.zeros(num_users, np.int64)
    for user, item, rating in zip(
        ratings.users_E.tolist(), ratings.items_E.tolist(), ratings.ratings_E.tolist(), strict=True
    ):
        if num_rated[user] % EACH == 0:
            yield [
                _shown_film(row, near, ratings, films)
                for row, near in _best_rows(both_NN, liked_UN[user], seen_UN[user])
            ]
        seen_UN[user, item] = True
        if rating >= LIKED and not liked_UN[user, item]:
            liked_UN[user, item] = True
            both_NN[item, liked_UN[user]] += 1
            both_NN[liked_UN[user], item] = both_NN[item, liked_UN[user]]
        num_rated[user] += 1


def reason_of(shown: ShownFilm) -> ListReason:
    """Return the reason as the gateway has it: the nearest film, and the facts that both share."""
    if shown.near is None:
        return ListReason(is_popular=True)
    near = shown.near
    facts = [
        SharedFact(title=near.title, relation=relation, name=name)
        for relation, names in shown.film.people.items()
        for name in names
        if name in near.people.get(relation, ())
    ]
    return ListReason(nearest=[item_of(near)], facts=facts)


def item_of(film: FilmFacts) -> BriefItem:
    """Return a film as briefs have it, without people: the graph's are facts of reasons."""
    attributes: dict[str, float | tuple[str, ...]] = {"genre": film.genres}
    if film.year is not None:
        attributes["year"] = float(film.year)
    return describe_item(film.title, attributes)


def _best_rows(
    both_NN: NDArray[np.float32], liked_N: NDArray[np.bool_], seen_N: NDArray[np.bool_]
) -> Iterator[tuple[int, int | None]]:
    """Yield the films most like what a user liked, each with the nearest of these.

    `both_NN` counts who liked two films. Without a history they are the most liked films.
    """
    audience_N = both_NN.diagonal()
    history = np.flatnonzero(liked_N)
    if not len(history):
        yield from ((row, None) for row in np.argsort(-audience_N, kind="stable")[:LENGTH].tolist())
        return
    alike_NH = both_NN[:, history] / np.sqrt(
        np.maximum(1, audience_N[:, None] * audience_N[history][None])
    )
    scores_N = alike_NH.sum(1)
    scores_N[seen_N | (audience_N < MIN_AUDIENCE)] = -1
    for row in np.argsort(-scores_N, kind="stable")[:LENGTH].tolist():
        if scores_N[row] > 0:
            yield row, int(history[alike_NH[row].argmax()])


def _shown_film(
    row: int, near: int | None, ratings: RatingsSet, films: Mapping[str, FilmFacts]
) -> ShownFilm:
    ids = ratings.item_ids
    return ShownFilm(film=films[ids[row]], near=None if near is None else films[ids[near]])
