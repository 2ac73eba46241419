"""The calls that read and write placements."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copy

import pytest

from cron.placement import Placement
from tests.component.gateway_process import RunningGateway, StandIn, gateway, settings_in

PATH = "/v1/placements"
LIMIT_S = 120.0  # of what takes a second on an idle machine


@pytest.fixture
def shop(tmp_path: Path, story_ledger: Path) -> Iterator[RunningGateway]:
    """Serve a gateway whose settings have the placement `home`."""
    model = StandIn()
    copy(story_ledger, tmp_path / "ledger.db")
    settings = replace(
        settings_in(tmp_path, inference_port=model.port), placements={"home": Placement(k=7)}
    )
    with gateway(settings) as client:
        yield RunningGateway(client=client, settings=settings, model=model)
    model.stop()


def asked_k(running: RunningGateway, placement: str) -> object:
    body = {"history": [], "placement": placement}
    assert running.client.post("/v1/recommendations", json=body).status_code == 200
    return running.model.asked[-1]["k"]


def test_a_placement_is_written_read_and_deleted(shop: RunningGateway) -> None:
    rules = {"k": 5, "exclude": {"purchase": "30d"}, "pins": [{"item_id": "50", "position": 1}]}
    written = shop.client.put(f"{PATH}/cart", json=rules)
    expected = {"name": "cart", "source": "api", "rules": rules}
    assert (written.status_code, written.json()) == (200, expected)
    assert shop.client.get(f"{PATH}/cart").json() == expected
    assert asked_k(shop, "cart") == 5
    listed = shop.client.get(PATH).json()["placements"]
    assert [(one["name"], one["source"]) for one in listed] == [
        ("cart", "api"),
        ("home", "settings"),
    ]
    assert shop.client.delete(f"{PATH}/cart").json() == {"name": "cart", "deleted": True}
    for method in ("GET", "DELETE"):
        gone = shop.client.request(method, f"{PATH}/cart")
        assert (gone.status_code, gone.json()["error"]["field"]) == (404, "name")
    assert (
        shop.client.post("/v1/recommendations", json={"history": [], "placement": "cart"}).json()[
            "error"
        ]["field"]
        == "placement"
    )


def test_a_placement_of_the_api_overrides_the_settings(shop: RunningGateway) -> None:
    refused = shop.client.delete(f"{PATH}/home")
    assert (refused.status_code, refused.json()["error"]["field"]) == (409, "name")
    assert shop.client.put(f"{PATH}/home", json={"k": 2}).status_code == 200
    assert asked_k(shop, "home") == 2
    assert shop.client.delete(f"{PATH}/home").status_code == 200
    assert asked_k(shop, "home") == 7


def test_the_history_names_who_changed_it(shop: RunningGateway) -> None:
    for k in (1, 2):
        shop.client.put(f"{PATH}/cart", json={"k": k})
    shop.client.delete(f"{PATH}/cart")
    found = shop.client.get(f"{PATH}/cart/changes").json()
    changes = [(one["by"], one["before"], one["after"]) for one in found["changes"]]
    me = "a program of this machine"
    assert changes == [(me, {"k": 2}, None), (me, {"k": 1}, {"k": 2}), (me, None, {"k": 1})]
    assert len(shop.client.get(f"{PATH}/cart/changes?k=1").json()["changes"]) == 1
    assert shop.client.get(f"{PATH}/home/changes").json() == {"name": "home", "changes": []}
    assert shop.client.get(f"{PATH}/nowhere/changes").status_code == 404


def test_another_gateway_follows(shop: RunningGateway) -> None:
    with gateway(shop.settings) as other:
        shop.client.put(f"{PATH}/cart", json={"k": 5})
        deadline = time.monotonic() + LIMIT_S
        while other.get(f"{PATH}/cart").status_code == 404:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("name", "rules", "field"),
    [
        ("cart", {"diversity": 2}, "diversity"),
        ("cart", {"exclude": {"view": "-1d"}}, "exclude.view"),
        ("cart", {"boosts": [{"attribute": "a", "value": 1}]}, "boosts[0].add"),
        ("cart", {"kk": 1}, "kk"),
        ("cart", [], "body"),
        ("a b", {}, "name"),
        ("x" * 65, {}, "name"),
    ],
)
def test_ill_defined_ones_are_refused(
    shop: RunningGateway, name: str, rules: object, field: str
) -> None:
    answer = shop.client.put(f"{PATH}/{name}", json=rules)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)
    assert [one["name"] for one in shop.client.get(PATH).json()["placements"]] == ["home"]


def test_attributes_that_no_item_has_are_a_warning(shop: RunningGateway) -> None:
    """They are stored nevertheless, since items with them may come later."""
    shop.model.status = 400
    says = "filter.brand: found an unknown attribute"
    shop.model.body = {"error": {"field": "filter.brand", "reason": says}, "model_version": 3}
    answer = shop.client.put(f"{PATH}/cart", json={"at_most": {"brand": 2}})
    assert answer.json()["warnings"] == ["brand: no item of the live release has this attribute"]
    assert shop.model.asked[-1]["filter"] == {"brand": ""}
    shop.model.status = 500
    again = shop.client.put(f"{PATH}/cart", json={"at_most": {"brand": 3}}).json()
    assert "does not answer" in again["warnings"][0]
    assert shop.client.get(f"{PATH}/cart").json()["rules"] == {"at_most": {"brand": 3}}
