"""Texts of lists that no user asks for: similar, popular, trending, new and found items."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.component.gateway_process import RunningGateway

STAR = {"item_id": "50", "title": "Star Wars (1977)", "attributes": {"genre": ["Sci-Fi", "War"]}}
EMPIRE = {
    "item_id": "172",
    "title": "Empire Strikes Back, The (1980)",
    "attributes": {"genre": ["Sci-Fi", "Action"]},
}


@pytest.fixture
def film_shop(running: RunningGateway) -> RunningGateway:
    """Return a gateway with two films; its model answers with the second."""
    assert running.client.post("/v1/items", json=[STAR, EMPIRE]).is_success
    item = {"id": "172", "title": "Empire Strikes Back, The (1980)", "score": 1.5}
    running.model.body = {"items": [item | {"match": "title"}], "model_version": 3}
    return running


def answer_of(film_shop: RunningGateway, path: str, **parameters: str) -> Mapping[str, object]:
    found = film_shop.client.get(path, params={"copy": "true", **parameters})
    assert found.status_code == 200, found.text
    answer: Mapping[str, object] = found.json()
    return answer


def texts_of(answer: Mapping[str, object]) -> dict[str, str]:
    """Return the text of each item, by id."""
    items = answer["items"]
    assert isinstance(items, list)
    assert items
    return {item["id"]: item["copy"]["text"] for item in items}


def title_of(answer: Mapping[str, object]) -> str:
    title = answer["row_title"]
    assert isinstance(title, dict)
    return str(title["text"])


def test_similar_items_say_what_they_have_in_common(film_shop: RunningGateway) -> None:
    answer = answer_of(film_shop, "/v1/items/50/similar")
    assert "“Star Wars”" in texts_of(answer)["172"]
    assert "sci-fi" in texts_of(answer)["172"].lower()
    assert title_of(answer) == "More sci-fi and action, after “Star Wars”"


def test_a_hidden_item_is_not_what_others_are_like(film_shop: RunningGateway) -> None:
    film_shop.client.patch("/v1/items/50", json={"hidden": True})
    answer = answer_of(film_shop, "/v1/items/50/similar")
    assert "Star Wars" not in texts_of(answer)["172"] + title_of(answer)


def test_new_items_say_what_they_are(film_shop: RunningGateway) -> None:
    answer = answer_of(film_shop, "/v1/new")
    assert texts_of(answer)["50"].startswith("Sci-fi and war, ")
    assert title_of(answer) in ("New here", "New in the shop")
    assert "新" in title_of(answer_of(film_shop, "/v1/new", language="zh"))
    chinese = film_shop.client.get("/v1/new?copy=true", headers={"Accept-Language": "zh-CN"}).json()
    assert "科幻" in texts_of(chinese)["50"]


def test_popular_and_found_items_share_their_lines(film_shop: RunningGateway) -> None:
    new = texts_of(answer_of(film_shop, "/v1/new"))
    popular = answer_of(film_shop, "/v1/popular")
    assert title_of(popular) in ("Popular with visitors", "Popular here")
    found = answer_of(film_shop, "/v1/search", q="empire")
    assert texts_of(found)["172"] == new["172"]
    assert title_of(found) == "More sci-fi and action for you"  # and nothing of what was typed


def test_a_trending_list_says_so(film_shop: RunningGateway) -> None:
    assert title_of(answer_of(film_shop, "/v1/trending")) == "Trending now"
    assert title_of(answer_of(film_shop, "/v1/trending", language="zh")) == "正在升温"


def test_without_copy_the_lists_are_as_before(film_shop: RunningGateway) -> None:
    for path in ("/v1/new", "/v1/popular", "/v1/trending", "/v1/items/50/similar"):
        answer = film_shop.client.get(path).json()
        assert "row_title" not in answer
        assert all("copy" not in item for item in answer["items"])


def test_a_language_without_templates_is_refused(film_shop: RunningGateway) -> None:
    found = film_shop.client.get("/v1/new?copy=true&language=fr")
    assert (found.status_code, found.json()["error"]["field"]) == (400, "language")
