"""The probabilities of one slot: they sum to 1, and each policy's are what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.policies.probabilities import slot_probabilities
from recommender.policies.slots import PolicyPool, Slots
from recommender.requests.list_policy import ListPolicy, NewItemsShare
from tests.unit.recommender.policies.pools import (
    NEW,
    SCORES,
    pool,
    random_policies,
    random_pools,
)


@given(policy=random_policies, of=random_pools(), places=st.lists(st.integers(0, 7)))
def test_the_probabilities_of_a_slot_sum_to_one(
    policy: ListPolicy, of: PolicyPool, places: list[int]
) -> None:
    """Whatever came before; they are 0 when no item is left."""
    slots = Slots(of)
    for place in places:
        slots.take(place % len(of.scores_P))
    chance_P = slot_probabilities(policy, slots)
    may_come_P = of.is_listed_P | (of.is_new_P & (policy.new_items is not None))
    assert (chance_P >= 0).all()
    assert not chance_P[~(slots.is_open_P & may_come_P)].any()
    assert chance_P.sum() == pytest.approx(float((slots.is_open_P & may_come_P).any()), abs=1e-12)


def test_epsilon_is_spread_over_all_open_items() -> None:
    slots = Slots(pool())
    slots.take(0)
    found = slot_probabilities(ListPolicy(name="epsilon", epsilon=0.5), slots)
    assert found == pytest.approx([0, 0.6, 0.1, 0.1, 0.1, 0.1, 0])


def test_plackett_luce_is_a_softmax_in_spreads() -> None:
    found = slot_probabilities(ListPolicy(name="plackett_luce", temperature=2.0), Slots(pool()))
    weights = np.exp(SCORES[:6] / SCORES.std() / 2)
    assert found[:6] == pytest.approx(weights / weights.sum())
    assert found[6] == 0


def test_new_items_that_fit_come_more_often() -> None:
    share = NewItemsShare(share=0.5, ids=())
    found = slot_probabilities(ListPolicy(name="greedy", new_items=share), Slots(pool()))
    new = SCORES[[*NEW]]
    weights = np.exp(new / new.std())
    assert found[[*NEW]] == pytest.approx(0.5 * weights / weights.sum())
    assert found[0] == 0.5


def test_one_new_item_gets_the_whole_share() -> None:
    one = replace(pool(), is_new_P=np.arange(7) == 6)
    share = NewItemsShare(share=0.25, ids=())
    found = slot_probabilities(ListPolicy(name="greedy", new_items=share), Slots(one))
    assert found.tolist() == [0.75, 0, 0, 0, 0, 0, 0.25]


def test_a_new_item_comes_only_where_it_may_beat_the_best() -> None:
    """Of four draws, one lifts an item over the best one, and one lifts two: the better comes."""
    deviations_MP = np.zeros((4, 7))
    deviations_MP[0, 5] = 3.0
    deviations_MP[1, [5, 6]] = 3.0, 5.0
    of = replace(pool(), deviations_MP=deviations_MP, spread=1.0)
    share = NewItemsShare(share=0.2, ids=())
    found = slot_probabilities(ListPolicy(name="greedy", new_items=share), Slots(of))
    assert found.tolist() == pytest.approx([0.9, 0, 0, 0, 0, 0.05, 0.05])


def test_without_doubt_no_place_is_given_away() -> None:
    of = replace(pool(), deviations_MP=np.zeros((4, 7)))
    share = NewItemsShare(share=1.0, ids=())
    found = slot_probabilities(ListPolicy(name="greedy", new_items=share), Slots(of))
    assert found[0] == 1


def test_new_items_alone_fill_a_list_with_doubts_too() -> None:
    of = replace(pool(), deviations_MP=np.zeros((4, 7)), is_listed_P=np.zeros(7, np.bool_))
    share = NewItemsShare(share=0.1, ids=())
    found = slot_probabilities(ListPolicy(name="greedy", new_items=share), Slots(of))
    assert found.tolist() == [0, 0, 0, 1, 0, 0, 0]


def test_thompson_is_the_share_of_members_that_take_an_item() -> None:
    """In spreads: a member lifts an item over another of a higher score."""
    lifts_MP = np.zeros((4, 7))
    lifts_MP[0, 4] = 2.0
    lifts_MP[1, 4] = 1.0
    of = replace(pool(), lifts_MP=lifts_MP, spread=1.5)
    found = slot_probabilities(ListPolicy(name="thompson"), Slots(of))
    assert found.tolist() == [0.75, 0, 0, 0, 0.25, 0, 0]
    slots = Slots(of)
    slots.take(0)
    assert slot_probabilities(ListPolicy(name="thompson"), slots)[4] == 0.5


def test_one_member_is_certain_and_none_is_greedy() -> None:
    lifted = replace(pool(), lifts_MP=np.eye(7)[[5]] * 10)
    for policy in (ListPolicy(name="ucb"), ListPolicy(name="thompson")):
        assert slot_probabilities(policy, Slots(lifted))[5] == 1
        assert slot_probabilities(policy, Slots(replace(pool(), lifts_MP=None)))[0] == 1
