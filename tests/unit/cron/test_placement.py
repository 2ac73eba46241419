"""The form of a placement: read strictly, and written so that it reads back equal."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cron.errors import SettingsError
from cron.placement import Pin, Placement, check_name, parse_placement, placement_json
from cron.placement_policy import NewItemsBudget, doubt_after, parse_policy, policy_json
from cron.settings.file import load_settings
from recommender.requests.wire import BadRequest

WHOLE: dict[str, object] = {
    "k": 12,
    "filter": {"genre": ["Comedy", "Drama"], "year": 1995.0, "brand": "Acme"},
    "exclude": {"purchase": "30d", "view": "90m", "click": "45s", "hide": "forever"},
    "boosts": [
        {"attribute": "genre", "value": ["Drama"], "add": 1.5},
        {"attribute": "year", "value": 1995.0, "add": -3.0},
    ],
    "freshness": {"add": 1.0, "half_life": "12h", "attribute": "year"},
    "min_rating": 3.5,
    "diversity": 0.3,
    "at_most": {"genre": 3},
    "policy": {
        "name": "plackett_luce",
        "temperature": 0.5,
        "new_items": {"share": 0.1, "impressions": 50, "days": 7},
    },
    "pins": [
        {"item_id": "a/b%2F é", "position": 1, "from": "2026-12-01T00:00:00+00:00"},
        {"item_id": "50", "position": 2, "until": "2026-12-26T00:00:00+00:00"},
    ],
    "copy": "template",
}


def pins(*given: tuple[str, int, str | None, str | None]) -> dict[str, object]:
    return {
        "pins": [
            {"item_id": item_id, "position": position, "from": begins, "until": ends}
            for item_id, position, begins, ends in given
        ]
    }


def test_a_placement_reads_back_as_it_was_written() -> None:
    placement = parse_placement(WHOLE)
    assert placement_json(placement) == WHOLE
    assert parse_placement(placement_json(placement)) == placement
    assert placement.exclude == {"purchase": 2_592_000, "view": 5_400, "click": 45, "hide": None}
    assert placement.attributes == {"genre", "year", "brand"}


def test_an_empty_placement_has_no_rules() -> None:
    assert parse_placement({}) == Placement() == parse_placement({"k": None, "pins": None})
    assert placement_json(Placement()) == {}


@pytest.mark.parametrize(
    "policy", [{"name": "greedy"}, {"name": "epsilon", "epsilon": 0.05}], ids=["greedy", "epsilon"]
)
def test_each_policy_reads_back_as_it_was_written(policy: dict[str, object]) -> None:
    placement = parse_placement({"policy": policy})
    assert placement_json(placement) == {"policy": policy}
    assert placement.policy is not None
    assert placement.policy.explores == (policy["name"] == "epsilon")


def test_a_doubt_about_new_items_is_kept() -> None:
    body = {"policy": {"name": "greedy", "new_items": {"share": 0.2, "doubt": 3}}}
    policy = parse_placement(body).policy
    assert policy is not None
    assert policy.new_items == NewItemsBudget(share=0.2, doubt=3)
    assert parse_policy(policy_json(policy), "policy") == policy


def test_a_doubt_shrinks_as_an_item_is_shown() -> None:
    """After 30 impressions its variance is half, after 270 a tenth."""
    assert doubt_after(0, 3.0) == 3
    assert doubt_after(30, 3.0) ** 2 == pytest.approx(9 / 2)
    assert doubt_after(270, 3.0) ** 2 == pytest.approx(9 / 10)


def test_a_budget_of_new_items_has_defaults() -> None:
    policy = parse_placement({"policy": {"name": "greedy", "new_items": {"share": 0.2}}}).policy
    assert policy is not None
    assert policy.new_items == NewItemsBudget(share=0.2, impressions=100, days=14)
    assert policy.explores


def test_long_ages_are_written_in_weeks() -> None:
    placement = parse_placement({"exclude": {"view": "99999w", "click": "99999s"}})
    assert placement_json(placement)["exclude"] == {"view": "99999w", "click": "99999s"}


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ([], "body"),
        ({"kk": 3}, "kk"),
        ({"k": 0}, "k"),
        ({"k": 1_001}, "k"),
        ({"k": True}, "k"),
        ({"filter": {"year": None}}, "filter.year"),
        ({"exclude": ["50"]}, "exclude"),
        ({"exclude": {"purchase": 30}}, "exclude.purchase"),
        ({"exclude": {"purchase": "-30d"}}, "exclude.purchase"),
        ({"exclude": {"purchase": "0d"}}, "exclude.purchase"),
        ({"exclude": {" ": "1d"}}, "exclude. "),
        ({"exclude": {"impression": "1d"}}, "exclude.impression"),
        ({"boosts": [{"attribute": "a", "value": "b", "add": "much"}]}, "boosts[0].add"),
        ({"freshness": {"add": 1}}, "freshness.half_life"),
        ({"freshness": {"add": 1, "half_life": "-1d"}}, "freshness.half_life"),
        ({"freshness": {"add": 1, "half_life": "1d", "attribute": 3}}, "freshness.attribute"),
        ({"min_rating": "high"}, "min_rating"),
        ({"diversity": 1.1}, "diversity"),
        ({"diversity": -0.1}, "diversity"),
        ({"at_most": {"brand": 0}}, "at_most.brand"),
        ({"copy": "always"}, "copy"),
        ({"policy": "greedy"}, "policy"),
        ({"policy": {"name": "random"}}, "policy.name"),
        ({"policy": {"name": "epsilon"}}, "policy.epsilon"),
        ({"policy": {"name": "epsilon", "epsilon": 2}}, "policy.epsilon"),
        ({"policy": {"name": "epsilon", "epsilon": 0.1, "seed": 3}}, "policy.seed"),
        ({"policy": {"name": "greedy", "temperature": 1}}, "policy.temperature"),
        ({"policy": {"name": "greedy", "new_items": {}}}, "policy.new_items.share"),
        ({"policy": {"name": "greedy", "new_items": {"share": -1}}}, "policy.new_items.share"),
        (
            {"policy": {"name": "greedy", "new_items": {"share": 0.1, "days": 29}}},
            "policy.new_items.days",
        ),
        (
            {"policy": {"name": "greedy", "new_items": {"share": 0.1, "impressions": 0}}},
            "policy.new_items.impressions",
        ),
        (
            {"policy": {"name": "greedy", "new_items": {"share": 0.1, "doubt": 101}}},
            "policy.new_items.doubt",
        ),
        (
            {"policy": {"name": "greedy", "new_items": {"share": 0.1, "ids": []}}},
            "policy.new_items.ids",
        ),
        (pins(("50", 0, None, None)), "pins[0].position"),
        (pins((" ", 1, None, None)), "pins[0].item_id"),
        (pins(("50", 1, "soon", None)), "pins[0].from"),
        (pins(("50", 1, "2026-02-01", "2026-01-01")), "pins[0].until"),
        (pins(("50", 1, None, None), ("51", 1, None, None)), "pins[1].position"),
        (pins(("50", 1, None, None), ("50", 2, None, None)), "pins[1].item_id"),
        (
            pins(("50", 1, None, "2026-02-01"), ("51", 1, "2026-01-31", None)),
            "pins[1].position",
        ),
    ],
)
def test_what_is_ill_defined_is_refused_by_field(raw: object, field: str) -> None:
    with pytest.raises(BadRequest) as told:
        parse_placement(raw)
    assert told.value.field == field


def test_pins_one_after_the_other_may_share_a_place() -> None:
    first, second = parse_placement(
        pins(("50", 1, None, "2026-02-01"), ("51", 1, "2026-02-01", None))
    ).pins
    change = datetime(2026, 2, 1, tzinfo=UTC)
    assert (first.is_in_force(change), second.is_in_force(change)) == (False, True)
    assert Pin(item_id="1", position=1).is_in_force(change)


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "é", "x" * 65, 3])
def test_names_are_short_and_plain(name: object) -> None:
    with pytest.raises(BadRequest, match="placement"):
        check_name(name, "placement")
    assert check_name("home_Page-2", "placement") == "home_Page-2"


FILE = """
[placements.home]
k = 12
pins = [{item_id = "50", position = 1, from = 2026-12-01, until = 2026-12-26T12:00:00+01:00}]
"""


def test_a_settings_file_has_placements(tmp_path: Path) -> None:
    """Dates of TOML are times: a date alone is midnight UTC."""
    file = tmp_path / "settings.toml"
    file.write_text(FILE, encoding="utf-8")
    placements = load_settings(file, {}).settings.placements
    pin = Pin(
        item_id="50",
        position=1,
        begins_at=datetime(2026, 12, 1, tzinfo=UTC),
        ends_at=datetime(2026, 12, 26, 11, tzinfo=UTC),
    )
    assert placements == {"home": Placement(k=12, pins=(pin,))}


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("[placements.home]\ndiversity = 2", "placements.home.diversity: found 2, expected a"),
        ("[placements.home]\nkk = 2", "placements.home.kk: found an unknown field"),
        ('[placements."a b"]', "placements.a b: found 'a b', expected 1 to 64"),
        ("[placements]\nhome = 3", "placements.home: found 3, expected an object"),
        ("placements = 3", "placements = 3: expected a table"),
    ],
)
def test_the_settings_refuse_ill_defined_rules(tmp_path: Path, table: str, says: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(table, encoding="utf-8")
    with pytest.raises(SettingsError, match=re.escape(says)):
        load_settings(file, {})


def test_an_environment_variable_has_placements_as_json() -> None:
    text = '{"home": {"diversity": 0.5}}'
    loaded = load_settings(None, {"FRESHET__PLACEMENTS": text})
    assert loaded.settings.placements == {"home": Placement(diversity=0.5)}
    with pytest.raises(SettingsError, match="environment FRESHET__PLACEMENTS"):
        load_settings(None, {"FRESHET__PLACEMENTS": "home"})
