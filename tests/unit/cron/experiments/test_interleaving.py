"""Team drafts: a fair list, credit to the team that picked, no preference without reason."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cron.experiments.differences import reward_estimate
from cron.experiments.interleaving import TeamDraft, credit, draft_teams, preference_of_user
from cron.experiments.user_sums import sum_users

LISTS = st.lists(st.sampled_from("abcdefghijkl"), unique=True, max_size=8)


@given(LISTS, LISTS, st.integers(1, 12), st.randoms(use_true_random=False))
def test_a_draft_is_a_fair_list_of_both(a: list[str], b: list[str], k: int, coin: Random) -> None:
    draft = draft_teams(a, b, k=k, coin=coin)
    assert len(set(draft.items)) == len(draft.items) == min(k, len({*a, *b}))
    assert len(draft.teams) == len(draft.items)
    both_have = min(len(a), len(b))
    # while both lists last, no team is ever ahead by more than one pick
    for length in range(min(len(draft.items), both_have) + 1):
        teams = draft.teams[:length]
        assert abs(teams.count("a") - teams.count("b")) <= 1


def test_equal_lists_stay_as_they_are() -> None:
    assert draft_teams("abcd", "abcd", k=3, coin=Random(1)).items == ("a", "b", "c")


def test_reward_is_credited_to_the_team_that_picked() -> None:
    draft = TeamDraft(items=("x", "y", "z"), teams=("b", "a", "b"))
    assert credit(draft, {"x": 1.0, "y": 3.0, "unknown": 9.0}) == -2.0


def test_clicks_at_random_prefer_neither_list() -> None:
    random = Random(2)
    users = []
    for _ in range(3_000):
        draft = draft_teams("abcdef", "fedcba", k=4, coin=random)
        clicks = {item: 1.0 for item in draft.items if random.random() < 0.3}
        users.append(preference_of_user([credit(draft, clicks)]))
    found = reward_estimate(sum_users(users))
    assert found is not None
    assert found.value**2 < 9 * found.variance


def test_clicks_on_one_lists_favourites_prefer_it() -> None:
    random = Random(3)
    users = []
    for _ in range(300):
        draft = draft_teams("abcdef", "uvwxyz", k=4, coin=random)
        users.append(preference_of_user([credit(draft, dict.fromkeys("uvw", 1.0))]))
    found = reward_estimate(sum_users(users))
    assert found is not None
    assert found.value > 1
