"""Interleaved lists: every item has a team, and the list is as long as was asked for."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cron.list_ids import draw_list_id, read_list_id
from cron.placement import parse_placement
from gateway.bodies.recommendations import RankedAnswer, RankedItem
from gateway.placements.interleaved import TeamList, interleave, of_the_list

LISTS = st.lists(st.sampled_from("abcdefghijkl"), unique=True, min_size=1, max_size=8)


def team_list(arm: str, ids: list[str], *, version: int = 3) -> TeamList:
    items = tuple(
        RankedItem(rank=rank, id=item_id, title=None, score=9.0 - rank, propensity=0.5)
        for rank, item_id in enumerate(ids, 1)
    )
    answer = RankedAnswer(
        recommendation_id=draw_list_id(version),
        user_id="ann",
        model_version=version,
        policy="plackett_luce",
        items=items,
    )
    return TeamList(arm=arm, answer=answer)


@given(LISTS, LISTS, st.integers(1, 10))
def test_each_item_has_the_team_that_picked_it(one: list[str], other: list[str], k: int) -> None:
    found = interleave(team_list("x", one), team_list("y", other), experiment="try", k=k)
    ids = {"x": one, "y": other}
    assert [item.rank for item in found.items] == [*range(1, len(found.items) + 1)]
    assert len({item.id for item in found.items}) == len(found.items) == min(k, len({*one, *other}))
    for item in found.items:
        assert isinstance(item, RankedItem)
        assert item.id in ids[item.team or ""]
        assert item.propensity is None
    assert (found.policy, found.experiment, found.arm) == ("interleaved", "try", None)


def test_clicks_on_a_list_of_two_releases_count_for_none() -> None:
    one, other = team_list("x", ["a"]), team_list("y", ["b"], version=4)
    found = interleave(one, other, experiment="try", k=2)
    assert read_list_id(found.recommendation_id) is None
    same = interleave(one, replace(other, answer=one.answer), experiment="try", k=2)
    assert same.recommendation_id == one.answer.recommendation_id


def test_length_and_pins_are_those_of_the_lists_placement() -> None:
    home = parse_placement({"k": 4, "pins": [{"item_id": "p", "position": 1}]})
    other = parse_placement({"k": 9, "diversity": 0.5})
    assert of_the_list(home, home) is home
    assert of_the_list(None, None) is None
    assert of_the_list(other, home) == replace(other, k=4, pins=home.pins)
    assert of_the_list(other, None) == replace(other, k=None)
