"""`GET /v1/search`: what is found, and what is answered when something is missing.

Where a release answers, the stand-in for TorchServe asks a real model.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from recommender.catalogue.item_columns import CatalogueItem
from tests.component.gateway.test_little_to_show import serve_model
from tests.component.gateway_process import RunningGateway, gateway, settings_in

ODD = "a/b%2F..日本"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve a gateway with the planted items and two more."""
    items = [
        CatalogueItem(item_id=f"i{n}", title=f"Thing {n}", text="A thing.",
                      attributes={"genre": "Even" if n % 2 == 0 else "Odd"})
        for n in range(12)
    ]  # fmt: skip
    more = [
        CatalogueItem(item_id=ODD, title="七人の侍", text="Seven."),
        CatalogueItem(item_id="never", title="Thing 99", hidden=True),
    ]
    with serve_model(tmp_path_factory.mktemp("shop"), [*items, *more]) as client:
        yield client


def search(client: httpx.Client, text: str, more: str = "") -> httpx.Response:
    return client.get(f"/v1/search?q={quote(text, safe='')}{more}")


def found_ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def reason(answer: httpx.Response, status: int, field: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["field"] == field
    return str(answer.json()["error"]["reason"])


def test_items_are_found_by_title_and_by_text(shop: httpx.Client) -> None:
    answer = search(shop, "thing 7", "&k=3").json()
    assert (answer["user_id"], answer["model_version"]) == (None, 3)
    first = answer["items"][0]
    assert (first["rank"], first["id"], first["match"]) == (1, "i7", "exact")
    assert [one["rank"] for one in answer["items"]] == [1, 2, 3]
    assert found_ids(search(shop, "THIN 7", "&k=1")) == ["i7"]
    assert found_ids(search(shop, "侍", "&k=1")) == [ODD]
    nothing_like_it = search(shop, "🎬 %00?!\n").json()["items"]
    assert {one["match"] for one in nothing_like_it} == {"text"}


def test_the_order_depends_on_the_user(shop: httpx.Client) -> None:
    events = [
        {"user_id": ODD, "item_id": f"i{n}", "type": "view", "event_id": f"e{n}"}
        for n in range(1, 12, 2)
    ]
    assert shop.post("/v1/events", json=events).json()["accepted"] == len(events)
    cold = found_ids(search(shop, "thing", "&k=12&user_id=nobody"))
    assert cold == found_ids(search(shop, "thing", "&k=12"))
    own = search(shop, "thing", f"&k=12&user_id={quote(ODD, safe='')}")
    assert own.json()["user_id"] == ODD
    assert found_ids(own) != cold
    assert {"i1", "i11"} <= set(found_ids(own))  # what the user has seen is found


def test_hidden_items_are_never_found(shop: httpx.Client) -> None:
    assert "never" not in found_ids(search(shop, "thing 99", "&k=1000"))
    record = {"item_id": "i2", "title": "Thing 2", "hidden": True}
    assert shop.post("/v1/items", json=record).json()["accepted"] == 1
    try:
        found = found_ids(search(shop, "thing 2", "&k=3"))
        assert len(found) == 3
        assert "i2" not in found
    finally:
        shop.post("/v1/items", json={**record, "hidden": False})


def test_a_filter_may_leave_nothing(shop: httpx.Client) -> None:
    found = found_ids(search(shop, "thing 2", "&filter=genre:Odd&k=1000"))
    assert sorted(found) == sorted(f"i{n}" for n in range(1, 12, 2))
    assert found_ids(search(shop, "thing", "&filter=genre:None")) == []
    assert "found an unknown attribute" in reason(
        search(shop, "thing", "&filter=genra:Odd"), 400, "filter.genra"
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "q"),
        ("q=", "q"),
        ("q=%20%0A", "q"),
        ("q=" + "x" * 501, "q"),
        ("q=a&q=b", "q"),
        ("q=a&k=0", "k"),
        ("q=a&by=text", "by"),
        ("q=a&user_id=" + "u" * 513, "user_id"),
        ("q=a&filter=genre", "filter"),
    ],
)
def test_a_wrong_search_is_refused_by_field(shop: httpx.Client, query: str, field: str) -> None:
    assert field in reason(shop.get(f"/v1/search?{query}"), 400, field)


@pytest.mark.parametrize("num_chars", [5_000, 20_000])  # the latter is longer than headers may be
def test_a_long_text_is_refused(shop: httpx.Client, num_chars: int) -> None:
    assert search(shop, "x" * num_chars).status_code == 400
    assert search(shop, "x").status_code == 200


def test_an_empty_catalogue_has_nothing(tmp_path: Path) -> None:
    with serve_model(tmp_path, []) as client:
        assert search(client, "thing").json() == {
            "user_id": None, "model_version": 3, "items": [],
        }  # fmt: skip


def test_without_a_release_a_search_says_why(tmp_path: Path) -> None:
    with gateway(settings_in(tmp_path, inference_port=9)) as client:
        assert reason(search(client, "thing"), 503, "server")


def test_while_torchserve_is_away_a_search_says_why(running: RunningGateway) -> None:
    running.model.stop()
    answer = search(running.client, "thing")
    assert "model server" in reason(answer, 503, "server")
    assert answer.headers["Retry-After"] == "1"


def test_a_release_from_before_there_was_search(running: RunningGateway) -> None:
    running.model.status = 400
    text = "search: found an unknown field, expected only user_seq, k"
    running.model.body = {"error": {"field": "search", "reason": text}, "model_version": 3}
    assert "the next release can" in reason(search(running.client, "thing"), 503, "server")
