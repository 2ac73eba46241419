"""Lists before the first release, and of a live release that has nothing to show.

Where a release answers, the stand-in for TorchServe asks a real model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from recommender.catalogue.item_columns import CatalogueItem
from recommender.lists.answer import answer_batch
from recommender.ranking.ranker import Ranker
from recommender.requests.wire import BadRequest
from tests.component import story
from tests.component.gateway_process import StandIn, gateway, settings_in
from tests.planted import planted_bundle

PATH = "/v1/recommendations"
NEW = {"item_id": "new/1", "title": "The River", "text": "A river floods."}


class ModelStandIn(StandIn):
    """TorchServe's `/predictions/rec` with the answers of a model."""

    def __init__(self, ranker: Ranker) -> None:
        super().__init__()
        self._ranker = ranker

    def answer(self, path: str, asked: dict[str, object]) -> tuple[int, object]:
        """Return status and body as the handler does."""
        found = answer_batch(self._ranker, [asked])[0]
        if isinstance(found, BadRequest):
            error = {"field": found.field, "reason": found.reason}
            return 400, {"error": error, "model_version": 3}
        assert isinstance(found, dict), found
        return 200, {**found, "model_version": 3}


@pytest.fixture
def empty_gateway(tmp_path: Path) -> Iterator[httpx.Client]:
    """Serve a gateway before the first release."""
    with gateway(settings_in(tmp_path, inference_port=9)) as client:
        yield client


@contextmanager
def serve_model(folder: Path, items: list[CatalogueItem] | None) -> Iterator[httpx.Client]:
    """Serve a gateway whose live release has these items, or the planted ones."""
    story.tell(folder / "ledger.db").close()
    bundle = planted_bundle(folder / "bundle", tower="transformer", encoder="tiny", items=items)
    model = ModelStandIn(Ranker(bundle))
    with gateway(settings_in(folder, inference_port=model.port)) as client:
        yield client
    model.stop()


def test_nothing_is_listed_before_the_first_release(empty_gateway: httpx.Client) -> None:
    asked = {"history": ["5"], "candidates": ["5"], "context": {"item_id": "6"}, "explain": True}
    answer = empty_gateway.post(PATH, json=asked)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["items"], found["model_version"], found["fallback"]) == ([], None, True)
    assert empty_gateway.get("/v1/popular").json() == {"items": [], "model_version": None}
    assert empty_gateway.get("/v1/popular?window=7d").json() == {"items": [], "model_version": None}
    assert empty_gateway.get("/v1/trending").json() == {"items": []}
    assert empty_gateway.get("/v1/new").json() == {"items": []}


def test_new_items_are_listed_before_the_first_release(empty_gateway: httpx.Client) -> None:
    assert empty_gateway.post("/v1/items", json=NEW).status_code == 202
    assert [item["id"] for item in empty_gateway.get("/v1/new").json()["items"]] == ["new/1"]


def test_similar_items_wait_for_a_release(tmp_path: Path) -> None:
    """TorchServe runs already, and has no model."""
    model = StandIn()
    model.status, model.body = 404, {"code": 404, "type": "ModelNotFoundException"}
    with gateway(settings_in(tmp_path, inference_port=model.port)) as client:
        client.post("/v1/items", json=NEW)
        for item_id in ("new%2F1", "nobody"):
            answer = client.get(f"/v1/items/{item_id}/similar")
            assert answer.status_code == 503, answer.text
            assert "404" in answer.json()["error"]["reason"]
        assert client.post(PATH, json={"history": []}).json()["items"] == []
    model.stop()


def test_a_release_with_nothing_to_show_answers_empty_lists(tmp_path: Path) -> None:
    hidden = CatalogueItem(item_id="gone", title="Gone", text="Gone.", hidden=True)
    with serve_model(tmp_path, [hidden]) as client:
        for options in ({}, {"candidates": ["gone"]}, {"context": {"item_id": "gone"}}):
            answer = client.post(PATH, json={"history": [], "explain": True, **options})
            assert answer.status_code == 200, answer.text
            found = answer.json()
            assert (found["items"], found["model_version"], found["policy"]) == ([], 3, "greedy")
        for by in ("taste", "text", "both"):
            similar = client.get(f"/v1/items/gone/similar?by={by}").json()
            assert similar == {
                "item_id": "gone",
                "title": None,
                "model_version": 3,
                "items": [],
            }


def test_an_unknown_page_is_reported_and_changes_nothing(tmp_path: Path) -> None:
    with serve_model(tmp_path, None) as client:
        plain = {"history": ["i3", "i8"], "k": 5, "explain": True}
        found = client.post(PATH, json={**plain, "context": {"item_id": "a/b%2F..é"}}).json()
        expected = client.post(PATH, json=plain).json()
        assert "unknown" not in expected
        assert (found["unknown"], found["items"]) == (["a/b%2F..é"], expected["items"])
        known = client.post(PATH, json={**plain, "context": {"item_id": "i4"}}).json()
        assert "unknown" not in known
        assert known["items"] != expected["items"]
