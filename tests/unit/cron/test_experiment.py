"""What a person asks for when they start an experiment: parsed, or refused by its field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cron.experiment import (
    Experiment,
    ExperimentArm,
    draft_json,
    parse_arm,
    parse_draft,
    placements_of,
)
from cron.placement import Placement, parse_placement
from recommender.requests.wire import BadRequest

ARMS: list[dict[str, object]] = [{"name": "a"}, {"name": "b", "rules": {"diversity": 0.3}}]
START = datetime(2026, 3, 1, tzinfo=UTC)


def refusal(raw: object) -> str:
    with pytest.raises(BadRequest) as caught:
        parse_draft(raw)
    return str(caught.value)


def test_a_draft_comes_back_from_its_json() -> None:
    raw = {
        "placement": "home",
        "layer": "shelves",
        "share": 0.4,
        "ramp_days": 3,
        "effect": 0.1,
        "reward": {"purchase": 5, "click": 0.5},
        "arms": [
            {"name": "a", "share": 0.25},
            {"name": "b", "share": 0.5, "placement": "other"},
            {"name": "c", "share": 0.25, "rules": {"k": 3}, "release": 7},
        ],
    }
    draft = parse_draft(raw)
    assert parse_draft(draft_json(draft)) == draft
    assert placements_of(draft) == ["home", "other"]


def test_arms_have_equal_shares_by_default() -> None:
    draft = parse_draft({"arms": [*ARMS, {"name": "c"}]})
    assert [arm.share for arm in draft.arms] == [1 / 3] * 3


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ([], "body"),
        ({}, "arms: found 0 arms, expected 2 to 6"),
        ({"arms": ARMS[:1]}, "arms: found 1 arms"),
        ({"arms": [ARMS[0], {"name": "b", "rules": []}]}, "arms[1].rules"),
        ({"arms": [*ARMS, ARMS[0]]}, "arms[2].name: found 'a' a second time"),
        ({"arms": [ARMS[0], {"name": "b/c"}]}, "arms[1].name"),
        ({"arms": [ARMS[0], {"name": "b", "rules": {"k": 0}}]}, "arms[1].rules.k"),
        ({"arms": [ARMS[0], {"name": "b", "rule": {}}]}, "arms[1].rule: found an unknown field"),
        ({"arms": [ARMS[0], {"name": "b", "share": 0.9}]}, "shares with the sum 1.4"),
        ({"arms": ARMS, "share": 1.5}, "share"),
        ({"arms": ARMS, "layer": ""}, "layer"),
        ({"arms": ARMS, "reward": {"click": "much"}}, "reward.click"),
        ({"arms": ARMS, "effect": 0}, "effect"),
        ({"arms": ARMS, "placement": "a b"}, "placement"),
        ({"arms": [ARMS[0], {"name": "b", "release": "x"}]}, "arms[1].release"),
        ({"arms": ARMS, "kind": "abc"}, "kind: found 'abc', expected ab or interleaving"),
        ({"arms": [*ARMS, {"name": "c"}], "kind": "interleaving"}, "arms: found 3 arms"),
        (
            {
                "arms": [{"name": "a", "share": 0.2}, {"name": "b", "share": 0.8}],
                "kind": "interleaving",
            },
            "arms[0].share",
        ),
        (
            {"arms": [ARMS[0], {"name": "b", "rules": {"k": 3}}], "kind": "interleaving"},
            "arms[1].rules.k",
        ),
    ],
)
def test_a_mistake_names_its_field(raw: object, why: str) -> None:
    assert why in refusal(raw)


def test_both_arms_are_in_an_interleaved_list() -> None:
    draft = parse_draft({"kind": "interleaving", "arms": ARMS, "share": 0.5})
    assert parse_draft(draft_json(draft)) == draft
    experiment = Experiment(
        name="try", draft=draft, begin=0.0, started_at=START, started_by="ann", after_seq=0
    )
    found = [experiment.arms_of(f"user-{number}", START) for number in range(100)]
    assert all(arms in ((), draft.arms) for arms in found)
    assert 30 < sum(arms == draft.arms for arms in found) < 70


def test_an_arm_of_the_command_line_is_one_of_the_api() -> None:
    assert parse_arm("a") == {"name": "a"}
    assert parse_arm("d=release:7") == {"name": "d", "release": 7}
    assert parse_arm("b=other") == {"name": "b", "placement": "other"}
    assert parse_arm('c={"diversity": 0.3}') == {"name": "c", "rules": {"diversity": 0.3}}
    with pytest.raises(BadRequest, match="arm d"):
        parse_arm("d={diversity}")


def test_an_arm_changes_single_rules() -> None:
    home = parse_placement({"k": 4, "filter": {"genre": "Comedy"}})
    arm = ExperimentArm(name="b", share=0.5, rules={"k": 8, "diversity": 0.5})
    assert arm.apply(home) == parse_placement(
        {"k": 8, "filter": {"genre": "Comedy"}, "diversity": 0.5}
    )
    assert arm.apply(None) == Placement(k=8, diversity=0.5)


def test_a_ramp_adds_users_and_moves_none() -> None:
    draft = parse_draft({"arms": ARMS, "share": 0.5, "ramp_days": 10})
    experiment = Experiment(
        name="try", draft=draft, begin=0.2, started_at=START, started_by="ann", after_seq=0
    )
    users = [f"user-{number}" for number in range(4_000)]
    before: dict[str, str] = {}
    for days, share in ((0, 0.0), (5, 0.25), (10, 0.5), (20, 0.5)):
        found = {user: experiment.arms_of(user, START + timedelta(days=days)) for user in users}
        arms = {user: arm.name for user, its in found.items() for arm in its}
        assert abs(len(arms) / len(users) - share) < 0.03
        assert before.items() <= arms.items()
        before = arms
