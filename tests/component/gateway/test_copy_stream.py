"""Long texts as server-sent events: each part is verified and sent before the next one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from shutil import copy

import httpx
import pytest

from copywriter.brief import Brief
from copywriter.ready_text import ReadyText
from gateway.app import create_app
from gateway.copy.one_text import OneText
from tests.component.gateway_process import RunningGateway, StandIn, gateway, settings_in

ITEMS = [
    {"item_id": f"{number}", "title": f"Film {number}", "attributes": {"genre": [genre]}}
    for number, genre in ((1, "Drama"), (2, "Crime"), (3, "War"))
]
ASKED = {"item_ids": ["1", "2", "3"], "kind": "newsletter"}
EVENTS = {"Accept": "text/event-stream"}
Event = tuple[str, Mapping[str, str]]


def events_of(answer: httpx.Response) -> Iterator[Event]:
    """Yield the events of an answer as they come: name and body."""
    name = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def all_events(client: httpx.Client, asked: Mapping[str, object]) -> list[Event]:
    with client.stream("POST", "/v1/copy", json=asked, headers=EVENTS) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        return list(events_of(answer))


def test_a_newsletter_comes_item_by_item(running: RunningGateway) -> None:
    assert running.client.post("/v1/items", json=ITEMS).is_success
    *parts, (name, whole) = all_events(running.client, ASKED)
    assert [one for one, _ in parts] == ["sentence"] * 3
    texts = [body["text"] for _, body in parts]
    assert [f"Film {number}" in text for number, text in enumerate(texts, start=1)] == [True] * 3
    assert (name, whole["text"], whole["source"]) == ("copy", " ".join(texts), "template")
    plain = running.client.post("/v1/copy", json=ASKED).json()
    assert (plain["digest"], plain["kind"]) == (whole["digest"], "newsletter")


def test_a_paragraph_is_no_longer_than_asked(running: RunningGateway) -> None:
    assert running.client.post("/v1/items", json=ITEMS).is_success
    *_, (_, whole) = all_events(running.client, ASKED | {"max_chars": 40})
    assert 0 < len(whole["text"]) <= 40


def test_other_texts_are_one_part(running: RunningGateway) -> None:
    assert running.client.post("/v1/items", json=ITEMS).is_success
    (first, part), (last, whole) = all_events(running.client, {"item_ids": ["1"]})
    assert (first, last, part["text"]) == ("sentence", "copy", whole["text"])


def test_what_is_wrong_is_refused_before_the_first_event(running: RunningGateway) -> None:
    answer = running.client.post("/v1/copy", json={"item_ids": ["9"]}, headers=EVENTS)
    assert (answer.status_code, answer.json()["error"]["field"]) == (404, "item_ids")


@pytest.fixture
def is_read() -> threading.Event:
    """Return what is set when a client has read the first part."""
    return threading.Event()


def test_the_first_part_does_not_wait_for_the_second(
    tmp_path: Path, story_ledger: Path, is_read: threading.Event
) -> None:
    def write(brief: Brief, _within_s: float) -> ReadyText | None:
        title = brief.items[0].title
        if title == "Film 2" and not is_read.wait(60.0):
            return None
        return None if title == "Film 3" else ReadyText(text=f"{title}!", source="writer")

    copy(story_ledger, tmp_path / "ledger.db")
    model = StandIn()
    settings = settings_in(tmp_path, inference_port=model.port)
    app = create_app(settings)
    with gateway(settings, app=app) as client:
        services = app.state.services
        own = OneText(services.lists, services.copy.one_text.sources, write)
        app.state.services = replace(services, copy=replace(services.copy, one_text=own))
        assert client.post("/v1/items", json=ITEMS).is_success
        asked = ASKED | {"timeout_s": 30.0}
        with client.stream("POST", "/v1/copy", json=asked, headers=EVENTS) as answer:
            events = events_of(answer)
            assert next(events) == ("sentence", {"text": "Film 1!", "source": "writer"})
            is_read.set()
            assert next(events)[1]["text"] == "Film 2!"
            assert next(events)[1]["source"] == "template"
            _, whole = next(events)
    assert whole["source"] == "template"  # not all of it is the writer's
    assert whole["text"].startswith("Film 1! Film 2! ")
    model.stop()
