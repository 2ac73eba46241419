"""What editors decide over HTTP: they see texts, pin, edit, ban and undo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from copywriter.brief import Brief, BriefAttribute, BriefItem
from copywriter.list_briefs import CopyStyle
from copywriter.verifier.verdict import Violation
from copywriter.writing.verified import RejectedText, VerifiedText
from cron.ledger import copy_rows, writer_rows
from cron.ledger.ledger import open_ledger
from tests.component.at_work import until
from tests.component.gateway_process import RunningGateway, StandIn, gateway, settings_in
from tests.film_briefs import film_brief

BLUE, RED = film_brief("Blue Train"), film_brief("Red Boat")
LIE = RejectedText(text="By Bob.", violations=(Violation(rule="names", words="Bob"),))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningGateway]:
    """Serve a gateway with a key; a writer wrote a text, and a lie twice for another brief."""
    model = StandIn()
    settings = settings_in(tmp_path, inference_port=model.port, api_key="the-key")
    ledger = open_ledger(settings.store.ledger)
    writer_rows.add(ledger, "w", name="small")
    writer_rows.set_live(ledger, "w")
    texts = [
        VerifiedText(brief=BLUE, text="A text.", source="writer"),
        VerifiedText(brief=RED, text="T", source="template", rejected=(LIE, LIE)),
    ]
    copy_rows.store(ledger, "w", texts)
    ledger.close()
    with gateway(settings) as client:
        client.headers["Authorization"] = "Bearer the-key"
        yield RunningGateway(client=client, settings=settings, model=model)
    model.stop()


def shown_texts(running: RunningGateway, only: str = "all") -> dict[str, tuple[str, str]]:
    """Return text and source by title."""
    listed = running.client.get(f"/v1/copy/texts?only={only}").json()["texts"]
    return {one["titles"][0]: (one["text"], one["source"]) for one in listed}


def test_an_editor_sees_texts_and_why_some_were_rejected(running: RunningGateway) -> None:
    assert shown_texts(running)["Blue Train"] == ("A text.", "writer")
    (rejected,) = running.client.get("/v1/copy/texts?only=rejected").json()["texts"]
    assert (rejected["titles"], rejected["source"]) == (["Red Boat"], "template")
    assert "Old Bridge" in rejected["text"]  # the template, which is shown
    assert rejected["rejected"][0] == {
        "text": "By Bob.",
        "objections": [{"rule": "names", "words": "Bob"}],
    }
    found = running.client.get(f"/v1/copy/texts/{BLUE.digest()}").json()
    assert (found["kind"], found["language"], found["action"]) == ("reason_line", "en", None)


def test_an_editors_decision_holds_until_it_is_undone(running: RunningGateway) -> None:
    at = f"/v1/copy/texts/{RED.digest()}"
    own = {"action": "edit", "text": "The best film ever."}
    edited = running.client.put(at, json=own).json()
    assert (edited["shown"]["text"], edited["shown"]["source"]) == (own["text"], "editor")
    assert edited["shown"]["decided_by"].startswith("the key")
    assert edited["objections"][0]["rule"] == "comparisons"
    assert shown_texts(running, "edited") == {"Red Boat": (own["text"], "editor")}
    undone = running.client.delete(at).json()
    assert (undone["shown"]["source"], undone["shown"]["action"]) == ("template", None)
    at = f"/v1/copy/texts/{BLUE.digest()}"
    assert running.client.put(at, json={"action": "pin"}).json()["shown"]["text"] == "A text."
    assert running.client.put(at, json={"action": "ban"}).json()["shown"]["source"] == "template"


def test_decisions_about_nothing_are_refused(running: RunningGateway) -> None:
    red, nothing = f"/v1/copy/texts/{RED.digest()}", f"/v1/copy/texts/{'0' * 64}"
    for answer, status, field in (
        (running.client.put(red, json={"action": "pin"}), 409, "action"),
        (running.client.delete(red), 404, "digest"),
        (running.client.put(nothing, json={"action": "ban"}), 404, "digest"),
        (running.client.get(nothing), 404, "digest"),
        (running.client.put(red, json={"action": "edit"}), 400, "text"),
        (running.client.put(red, json={"action": "ban", "text": "x"}), 400, "text"),
        (running.client.put(red, json={"action": "edit", "text": "a\nb"}), 400, "text"),
        (running.client.put(red, json={"action": "praise"}), 400, "action"),
        (running.client.get("/v1/copy/texts?only=good"), 400, "only"),
    ):
        assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)


def test_status_counts_texts_that_answers_had(running: RunningGateway) -> None:
    assert running.client.post("/v1/items", json=[{"item_id": "5", "title": "Five"}]).is_success
    for _ in range(2):
        assert running.client.post("/v1/copy", json={"item_ids": ["5"]}).is_success
    copy = running.client.get("/v1/status").json()["copy"]
    assert copy["rules"] == {"names": 2}
    assert copy["waiting"] == 0
    assert "freshet_copy_rejected_total" in running.client.get("/metrics").text


def line_of(running: RunningGateway, title: str) -> tuple[str, str]:
    """Return text and source of the line of a new item in a list."""
    found = running.client.get("/v1/new?copy=true&k=5").json()["items"]
    (line,) = [one["copy"] for one in found if one["title"] == title]
    return line["text"], line["source"]


def film_brief_of(film: Mapping[str, object]) -> Brief:
    """Return the brief of a new item's line, as the gateway makes it."""
    genre = BriefAttribute(name="genre", values=("Drama",))
    item = BriefItem(title=str(film["title"]), attributes=(genre,))
    return Brief(kind="reason_line", items=(item,), max_chars=CopyStyle().max_chars)


def test_the_next_list_shows_what_was_decided(running: RunningGateway) -> None:
    """Texts are kept in memory: a decision here counts at once, one elsewhere within a second."""
    film = {"item_id": "1", "title": "Sea (1999)", "attributes": {"genre": ["Drama"]}}
    assert running.client.post("/v1/items", json=[film]).is_success
    assert line_of(running, "Sea (1999)")[1] == "template"
    digest = running.client.post("/v1/copy", json={"item_ids": ["1"]}).json()["digest"]
    ledger = open_ledger(running.settings.store.ledger)
    brief = film_brief_of(film)
    assert brief.digest() == digest
    copy_rows.store(ledger, "w", [VerifiedText(brief=brief, text="A drama.", source="writer")])
    until(lambda: line_of(running, "Sea (1999)") == ("A drama.", "writer"))
    edit = {"action": "edit", "text": "A quiet drama."}
    assert running.client.put(f"/v1/copy/texts/{digest}", json=edit).is_success
    assert line_of(running, "Sea (1999)") == ("A quiet drama.", "editor")
    assert running.client.put(f"/v1/copy/texts/{digest}", json={"action": "ban"}).is_success
    assert line_of(running, "Sea (1999)")[1] == "template"
    assert running.client.delete(f"/v1/copy/texts/{digest}").is_success
    assert line_of(running, "Sea (1999)") == ("A drama.", "writer")
    copy_rows.decide(ledger, digest, "ban", None, by="another gateway")
    until(lambda: line_of(running, "Sea (1999)")[1] == "template")
    running.client.patch("/v1/items/1", json={"attributes": {"genre": ["Comedy"]}})
    assert "omedy" in line_of(running, "Sea (1999)")[0]
    ledger.close()
