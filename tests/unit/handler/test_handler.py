"""The handler's output: always valid JSON, and never more than TorchServe can carry."""

from __future__ import annotations

import json
import math

import pytest

from cron.project_root import PROJECT_ROOT
from handler.recommend import MAX_ANSWER_BYTES, num_by_status, render
from recommender.lists.answer import Answer
from recommender.records.events import MAX_TITLE_CHARS
from recommender.records.ids import MAX_ID_CHARS
from recommender.requests.wire import MAX_K, JsonObject


def test_an_answer_too_large_for_torchserve_is_a_400() -> None:
    settings = dict(
        line.split("=", 1)
        for line in (PROJECT_ROOT / "deploy" / "torchserve.properties").read_text().splitlines()
        if "=" in line
    )
    assert int(settings["max_response_size"]) > MAX_ANSWER_BYTES
    answer: list[JsonObject] = [{"items": [], "resolved": ["unknown"] * 100_000} for _ in range(17)]
    status, content = render(answer, 3)
    assert status == 400
    assert json.loads(content)["model_version"] == 3
    assert "17," in json.loads(content)["error"]["reason"]
    assert "ask for less at once" in json.loads(content)["error"]["reason"]
    assert render(answer[:8], 3)[0] == 200


@pytest.mark.parametrize("answer", [{"score": math.nan}, [{"score": 1.0}, {"score": math.nan}]])
def test_a_nan_fails_only_its_own_request(answer: Answer) -> None:
    status, content = render(answer, 3)
    assert status == 500
    assert json.loads(content)["error"]["field"] is None


def test_a_list_of_the_longest_titles_and_ids_fits() -> None:
    """Anybody may send titles of popular items; longer ones would make every long list a 400."""
    longest = {
        "id": "🎬" * MAX_ID_CHARS,
        "title": "\x01" * MAX_TITLE_CHARS,
        "score": -1234.567891,
        "rating": 4.123456,
    }
    status, _ = render({"items": [longest] * MAX_K, "resolved": []}, 1)
    assert status == 200


@pytest.mark.parametrize(
    ("answer", "status", "counted"),
    [
        ({"items": []}, 200, {200: 1}),
        ([{"items": []}, {"error": {}}, {"items": []}], 200, {200: 2, 400: 1}),
        ([{"error": {}}], 400, {400: 1}),
        ([{"items": []}], 500, {500: 1}),
        (None, 500, {500: 1}),
    ],
)
def test_answers_in_a_list_are_counted_one_by_one(
    answer: Answer | None, status: int, counted: dict[int, int]
) -> None:
    assert +num_by_status(answer, status) == counted
