"""The simulated shop: who knows every probability does best, and unseen films stay unseen."""

from __future__ import annotations

import numpy as np
import pytest

from bench.data.sets import RatingsSet
from bench.decisions.exploration import CHOOSERS, DOUBT, GREEDY, ORACLE, WITH_DOUBTS
from bench.decisions.film_shop import NUM_KNOWN, FilmShop, make_shop
from bench.decisions.film_visits import Chooser, simulate

NUM_VISITS = 600
DOUBTED = next(chooser for chooser in WITH_DOUBTS if chooser.name == DOUBT)
BY_NAME = {chooser.name: chooser for chooser in CHOOSERS}


@pytest.fixture(scope="module")
def shop() -> FilmShop:
    draw = np.random.default_rng(3)
    num_users, num_items = 1_000, 450
    liking_UI = draw.standard_normal((num_users, 12)) @ draw.standard_normal((12, num_items))
    users_E, items_E = np.nonzero(draw.random(liking_UI.shape) < 0.2)
    ratings = RatingsSet(
        name="made up",
        users_E=users_E,
        items_E=items_E,
        ratings_E=np.clip(3 + liking_UI[users_E, items_E] / 3, 1, 5),
        at_s_E=np.zeros(len(users_E)),
        item_ids=[str(item) for item in range(num_items)],
        items=[None] * num_items,
    )
    return make_shop(ratings, num_visits=NUM_VISITS, seed=1)


def test_the_one_who_knows_beats_all_and_random_loses(shop: FilmShop) -> None:
    clicks = {}
    for name in ("random", GREEDY, ORACLE):
        clicks[name] = simulate(shop, BY_NAME[name], num_visits=NUM_VISITS, seed=2).clicks_V.sum()
    assert clicks["random"] < 0.6 * clicks[GREEDY]
    assert clicks[GREEDY] < clicks[ORACLE]


def test_only_a_share_of_new_items_shows_new_films(shop: FilmShop) -> None:
    greedy = simulate(shop, BY_NAME[GREEDY], num_visits=NUM_VISITS, seed=2)
    share = simulate(shop, BY_NAME["new items .05 until 300"], num_visits=NUM_VISITS, seed=2)
    assert greedy.impressions_of_new < 0.2 * share.impressions_of_new
    expected = 0.05 * 10 * NUM_VISITS
    assert 0.8 * expected < share.impressions_of_new - greedy.impressions_of_new < 1.2 * expected


def test_doubts_give_fewer_places_to_new_films(shop: FilmShop) -> None:
    """Only those where a new film may be worth more than what it displaces."""
    always = Chooser(name="always", policy=DOUBTED.policy, budget=DOUBTED.budget)
    results = {}
    for chooser in (DOUBTED, always):
        results[chooser.name] = simulate(shop, chooser, num_visits=NUM_VISITS, seed=2)
    assert 0 < results[DOUBT].impressions_of_new < 0.5 * results["always"].impressions_of_new
    assert results[DOUBT].clicks_V.sum() > results["always"].clicks_V.sum()


def test_the_planted_films_are_what_their_fans_like_best(shop: FilmShop) -> None:
    best_UK = shop.best_UK(10)
    assert (shop.good >= NUM_KNOWN).all()
    assert all((best_UK == film).any(axis=1).sum() >= 20 for film in shop.good)
