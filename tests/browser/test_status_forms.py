"""The forms of the status page: what they show of an item, and late answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.component.gateway_process import RunningGateway, run_gateway


@pytest.fixture
def running(tmp_path: Path, story_ledger: Path) -> Iterator[RunningGateway]:
    """Serve a gateway with two items, of which one is hidden."""
    with run_gateway(tmp_path, story_ledger) as running:
        items = [
            {"item_id": "a", "title": "Alba", "attributes": {"state": "CA"}, "hidden": True},
            {"item_id": "b", "title": "Bora"},
        ]
        assert running.client.post("/v1/items", json=items).status_code == 202
        yield running


def look_up(page: Page, item_id: str) -> None:
    page.fill("#item-id", item_id)
    page.press("#item-id", "Enter")


def test_an_attribute_hides_no_fact_of_an_item(page: Page, running: RunningGateway) -> None:
    page.goto(str(running.client.base_url))
    look_up(page, "a")
    expect(page.locator("#item-answer")).to_contain_text("hidden: never recommended")
    expect(page.locator("#item-answer")).to_contain_text("CA")


def test_a_late_answer_is_not_shown_for_a_newer_question(
    page: Page, running: RunningGateway
) -> None:
    late: list[Route] = []

    def hold(route: Route) -> None:
        late.append(route)

    page.route("**/v1/items/a/similar*", hold)
    page.goto(str(running.client.base_url))
    look_up(page, "a")
    expect(page.locator("#item-said")).to_have_text("found Alba")
    look_up(page, "b")
    expect(page.locator("#item-said")).to_have_text("found Bora")
    expect(page.locator("#item-answer")).to_contain_text("Film 7")
    with page.expect_response("**/v1/items/a/similar*"):
        late[0].fulfill(json={"items": [{"id": "9", "title": "Like Alba", "score": 0.5}]})
    page.evaluate("() => fetch('/healthz').then((answer) => answer.text())")  # comes after it
    expect(page.locator("#item-answer")).not_to_contain_text("Like Alba")
