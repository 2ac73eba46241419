"""Visits to the film shop under one way of choosing lists, and what came of them.

The product's own policies draw the lists (`recommender.policies`), from the best POOL films and the
new ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.decisions.film_learner import FilmLearner, features_of
from bench.decisions.film_rewards import FilmRewards
from bench.decisions.film_shop import (
    DRIFT,
    LEAVES_BORED,
    LEAVES_PLEASED,
    FilmShop,
    Floats,
    Integers,
)
from cron.placement_policy import doubt_after
from recommender.policies.deviations import draw_deviations
from recommender.policies.draws import draw_list
from recommender.policies.slots import Mask, PolicyPool
from recommender.requests.list_policy import ListPolicy, learns_from_rewards

K = 10
POOL = 100
EVERY = 100  # visits between two updates of the model, and two looks at the new films
FOUND_BY = 0.5  # a new film has found its visitors when so many of its fans would be shown it

Score = Callable[[FilmLearner, Floats, np.random.Generator], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chooser:
    """A way of choosing lists: the films' scores, and the policy that draws by them.

    `knows_all` scores by the true probabilities instead. New films that were shown fewer than
    `budget` times have the policy's share of new items: always, or as their `doubt` decides.
    """

    name: str
    policy: ListPolicy
    score: Score = lambda learner, features_D, _: learner.score_I(features_D)
    knows_all: bool = False
    budget: int = 0
    doubt: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownFilms:
    """The new films of a visit that have a chance, ascending, and the doubts about them."""

    films: Integers
    doubts: Floats | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitsResult:
    """The clicks of V visits, and each good new film's impressions until it was found, or None."""

    clicks_V: Integers
    impressions_until_found: tuple[int | None, ...]
    impressions_of_new: int
    num_left: int


def simulate(shop: FilmShop, chooser: Chooser, *, num_visits: int, seed: int) -> VisitsResult:
    """Let visitors come.

    Each visit has random numbers of its own. So with the same seed every chooser meets the same
    visitors, who click the same films if they see them: choosers differ by what they choose alone.
    """
    arriving = np.random.default_rng(seed)
    learner, taste_UD = FilmLearner(shop), shop.taste_UD.copy()
    rewards = FilmRewards(shop.num_known, len(shop.bias_I))
    fans = _fans(shop)
    shown_I, clicks_V, num_left = np.zeros(len(shop.bias_I), np.int64), [], 0
    found: dict[int, int] = {}
    for visit in range(num_visits):
        visitor = int(arriving.integers(len(taste_UD)))
        draw = np.random.default_rng((seed, visit))
        clicks_at_I, leaves_at = draw.random(len(shop.bias_I)), draw.random()
        step_D = _drift(taste_UD[visitor], draw)
        features_D = features_of(shop.taste_UD[visitor])
        chance_I = shop.chance_I(taste_UD[visitor])
        score_I = chance_I if chooser.knows_all else chooser.score(learner, features_D, draw)
        here_I = shop.arrives_I <= visit
        new = _unknown_films(chooser, shown_I, here_I, shop.num_known)
        films_S = _choose(chooser, score_I, here_I, new, rewards, draw)
        clicks_S = (clicks_at_I[films_S] < chance_I[films_S]).astype(np.float64)
        learner.note(films_S, clicks_S, features_D)
        if learns_from_rewards(chooser.policy.name):
            rewards.note(films_S, clicks_S, score_I[films_S])
        shown_I[films_S] += 1
        clicks_V.append(int(clicks_S.sum()))
        is_gone = leaves_at < (LEAVES_PLEASED if clicks_S.any() else LEAVES_BORED)
        num_left += int(is_gone)
        # who leaves makes room for somebody with another taste
        taste_UD[visitor] = shop.taste_UD[visitor] if is_gone else taste_UD[visitor] + step_D
        if visit % EVERY == EVERY - 1:
            learner.learn()
            if learns_from_rewards(chooser.policy.name):
                rewards.learn(learner)
            for film in _newly_found(learner, fans, found, here_I):
                found[film] = int(shown_I[film])
    return VisitsResult(
        clicks_V=np.array(clicks_V),
        impressions_until_found=tuple(found.get(int(film)) for film in shop.good),
        impressions_of_new=int(shown_I[shop.num_known :].sum()),
        num_left=num_left,
    )


def _choose(
    chooser: Chooser,
    score_I: Floats,
    here_I: Mask,
    new: UnknownFilms,
    rewards: FilmRewards,
    draw: np.random.Generator,
) -> Integers:
    """Draw a list by the product's policy from the best films and the new ones."""
    open_I = np.where(here_I, score_I, -np.inf)
    listed = np.argpartition(-open_I, POOL)[:POOL]
    listed = np.union1d(listed, rewards.promising_films())
    pool = np.union1d(listed, new.films)
    pool = pool[np.argsort(-open_I[pool], kind="stable")]
    scores_P = score_I[pool]
    spread = float(scores_P[:100].std()) or 1.0
    policy_pool = PolicyPool(
        scores_P=scores_P,
        spread=spread,
        is_listed_P=np.isin(pool, listed),
        is_new_P=np.isin(pool, new.films),
        lifts_MP=rewards.lifts_MP(chooser.policy, pool, spread),
        deviations_MP=_deviations_MP(new, pool),
    )
    return pool[list(draw_list(chooser.policy, policy_pool, draw.random(K)).places)]


def _unknown_films(
    chooser: Chooser, shown_I: Integers, here_I: Mask, num_known: int
) -> UnknownFilms:
    """Return the new films of the chooser's budget, as the gateway asks for them."""
    films = num_known + np.flatnonzero((here_I & (shown_I < chooser.budget))[num_known:])
    if chooser.doubt is None:
        return UnknownFilms(films=films, doubts=None)
    doubts = [doubt_after(num, chooser.doubt) for num in shown_I[films].tolist()]
    return UnknownFilms(films=films, doubts=np.array(doubts, np.float64))


def _deviations_MP(new: UnknownFilms, pool: Integers) -> Floats | None:
    """Return what draws add to the scores of a pool's new films."""
    if new.doubts is None:
        return None
    deviations_MX = draw_deviations(new.films, new.doubts)
    deviations_MP = np.zeros((len(deviations_MX), len(pool)))
    order = np.argsort(pool)
    deviations_MP[:, order[np.searchsorted(pool[order], new.films)]] = deviations_MX
    return deviations_MP


def _drift(taste_D: Floats, draw: np.random.Generator) -> Floats:
    """Return how far a taste drifts until the next visit."""
    step_D: Floats = draw.standard_normal(len(taste_D))
    step_D *= DRIFT * np.linalg.norm(taste_D) / np.linalg.norm(step_D)
    return step_D


def _fans(shop: FilmShop) -> dict[int, Floats]:
    """Return the features of the visitors who have each good new film among their best ten."""
    best_UK = shop.best_UK(K)
    return {
        int(film): features_of(shop.taste_UD[(best_UK == film).any(axis=1)]) for film in shop.good
    }


def _newly_found(
    learner: FilmLearner,
    fans: dict[int, Floats],
    found: dict[int, int],
    here_I: Mask,
) -> list[int]:
    """Return the good new films that half of their fans would now be shown by score alone."""
    films = []
    for film, features_FD in fans.items():
        if film in found or not here_I[film]:
            continue
        scores_FI = np.where(here_I, features_FD @ learner.mean_ID.T, -np.inf)
        rank_F = (scores_FI > scores_FI[:, [film]]).sum(axis=1)
        if (rank_F < K).mean() >= FOUND_BY:
            films.append(film)
    return films
