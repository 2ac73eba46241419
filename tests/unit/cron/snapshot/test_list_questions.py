"""The question about a served list: what the placement's rules say, at the list's own time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cron.past_event import PastEvent
from cron.placement import Placement, parse_placement
from cron.snapshot.list_questions import NUM_SEEN, list_question
from recommender.requests.body import parse
from recommender.requests.reward_evidence import RewardEvidence
from recommender.requests.wire import TopRequest
from tests.contracts.records import slate

AT = datetime(2026, 1, 31, tzinfo=UTC)
SERVED = replace(
    slate(1, at=AT), items=("p", "a", "b"), propensities=(None, 0.25, 0.5), placement="home"
)
RULES: dict[str, object] = {
    "filter": {"genre": ["Comedy", "Drama"]},
    "exclude": {"purchase": "30d", "hide": "forever"},
    "boosts": [{"attribute": "brand", "value": "Acme", "add": 0.5}],
    "freshness": {"add": 1, "half_life": "7d", "attribute": "year"},
    "min_rating": 3,
    "diversity": 0.3,
    "at_most": {"brand": 2},
    "policy": {"name": "plackett_luce", "temperature": 0.5, "new_items": {"share": 0.1}},
    "pins": [{"item_id": "other", "position": 1}],
}


def event(number: int, *, days: float, type_: str = "view") -> PastEvent:
    at_us = round((AT.timestamp() - 86_400 * days) * 1e6)
    return PastEvent(at_us, f"e{number}", f"i{number}", type_, None)


def ask_about(
    placement: Placement, *events: PastEvent, max_history: int = 100
) -> tuple[dict[str, object], TopRequest]:
    """Return a question, as it is and as the endpoint reads it."""
    question = dict(list_question(SERVED, placement, events, max_history=max_history))
    request = parse(question)
    assert isinstance(request, TopRequest)
    return question, request


def test_all_rules_of_a_placement_are_asked() -> None:
    """The endpoint accepts the question, with the pin that the list had and no new items."""
    _, request = ask_about(parse_placement(RULES))
    rules, policy = request.rules, request.policy
    assert rules is not None
    assert policy is not None
    assert request.filter == {"genre": ("Comedy", "Drama")}
    assert (rules.min_rating, rules.diversity, rules.at_most) == (3, 0.3, {"brand": 2})
    assert rules.pinned == ("p",)
    assert [boost.add for boost in rules.boosts] == [0.5]
    assert rules.freshness is not None
    assert rules.freshness.at_s == AT.timestamp()
    assert (policy.name, policy.temperature, policy.new_items) == ("plackett_luce", 0.5, None)
    assert request.propensities_of == ("a", "b")
    assert (request.k, request.alternatives) == (3, 10)


@pytest.mark.parametrize("policy", [{"name": "thompson"}, {"name": "ucb", "width": 2.0}])
def test_policies_that_learn_are_asked_by_their_prior(policy: dict[str, object]) -> None:
    """The endpoint accepts the question, so their lists can judge a candidate."""
    _, request = ask_about(parse_placement({"policy": policy}))
    asked = request.policy
    assert asked is not None
    assert asked.name == policy["name"]
    assert asked.width == policy.get("width", 1.0)
    assert asked.posterior is not None
    assert asked.posterior.evidence == RewardEvidence()


def test_what_a_placement_excludes_depends_on_its_age() -> None:
    events = [
        event(1, days=40, type_="purchase"),
        event(2, days=40, type_="hide"),
        event(3, days=10, type_="purchase"),
        event(4, days=1),
    ]
    question, request = ask_about(parse_placement(RULES), *events)
    assert question["exclude"] == ["i2", "i3"]
    assert not request.exclude_seen
    assert len(request.history) == 4


def test_without_exclusions_all_seen_items_are_left_out() -> None:
    """Those that the model reads, and older ones, as far as the histories keep them."""
    events = [event(number, days=2_000 - number) for number in range(NUM_SEEN + 5)]
    question, request = ask_about(Placement(), *events, max_history=10)
    assert request.exclude_seen
    assert len(request.history) == 10
    assert len(request.exclude) == NUM_SEEN - 10
    assert request.policy is not None
    assert request.policy.name == "greedy"
    assert request.rules is not None
    assert question["rules"] == {"pinned": ["p"]}
