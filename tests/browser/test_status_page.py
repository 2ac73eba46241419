"""The status page in a real browser, by keyboard, on a desktop and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from cron.ledger import decision_rows, holds
from cron.ledger.ledger import Ledger
from cron.serving.decisions import Decisions
from gateway.app import create_app
from tests.component.gateway_process import StandIn, gateway, settings_in
from tests.fakes import FakeServer
from tests.shelf import open_shelf
from tests.workshop import close_workshop, server_of

HEADERS = {"Authorization": "Bearer the-key"}
REASON = {
    "nearest": [{"id": "50", "title": "Star Wars (1977)", "share": 0.31}],
    "shared": {"genre": ["War"]},
    "popular": True,
    "new": False,
}


@dataclass(frozen=True, kw_only=True)
class WatchedGateway:
    """A gateway of releases 1, 2 and 3, of which 3 is live, and the stand-in for its model."""

    client: httpx.Client
    ledger: Ledger
    server: FakeServer
    model: StandIn


@pytest.fixture
def keyed_gateway(tmp_path: Path) -> Iterator[WatchedGateway]:
    """Serve the gateway, which needs a key."""
    shelf, model = open_shelf(tmp_path, 1, 2, 3), StandIn()
    settings = settings_in(tmp_path, inference_port=model.port, api_key="the-key")
    app = create_app(settings)
    with gateway(settings, app=app) as client:
        app.state.services = replace(
            app.state.services,
            decisions=Decisions(shelf.ledger, lambda: shelf.server, lambda: shelf.artifacts),
        )
        yield WatchedGateway(
            client=client, ledger=shelf.ledger, server=server_of(shelf), model=model
        )
    model.stop()
    close_workshop(shelf)


def open_with_key(page: Page, keyed_gateway: WatchedGateway) -> None:
    """Open the page and enter the key by keyboard."""
    page.goto(str(keyed_gateway.client.base_url))
    expect(page.get_by_text("python -m cron keys add")).to_be_visible()
    expect(page.get_by_role("heading", name="Operate")).to_be_hidden()
    page.get_by_role("button", name="Enter a key").press("Enter")
    expect(page.get_by_label("Key", exact=True)).to_be_focused()
    page.keyboard.type("the-key")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Roll back…")).to_be_enabled()


def test_an_operator_rolls_back_and_resumes_by_keyboard(
    page: Page, keyed_gateway: WatchedGateway
) -> None:
    open_with_key(page, keyed_gateway)
    expect(page.get_by_role("button", name="Resume…")).to_be_disabled()
    page.get_by_role("button", name="Roll back…").press("Enter")
    dialog = page.get_by_role("dialog", name="Roll back")
    expect(dialog).to_contain_text("Release 2 becomes live in place of release 3")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert keyed_gateway.server.live() == 3
    page.get_by_role("button", name="Roll back…").press("Enter")
    page.get_by_role("textbox", name="Why").fill("odd titles")
    page.keyboard.press("Enter")
    expect(page.locator("#operate-said")).to_have_text(
        "Release 2 is live, release 3 was. Publishing is paused."
    )
    assert keyed_gateway.server.live() == 2
    assert decision_rows.newest(keyed_gateway.ledger, 1)[0].why == "odd titles"
    expect(page.get_by_text("Publishing is paused since")).to_be_visible()
    page.get_by_role("button", name="Resume…").press("Enter")
    page.get_by_role("button", name="Resume", exact=True).press("Enter")
    expect(page.locator("#operate-said")).to_have_text("Publishing continues.")
    assert holds.current(keyed_gateway.ledger) is None


def test_a_phone_shows_a_users_list_with_reasons(page: Page, keyed_gateway: WatchedGateway) -> None:
    keyed_gateway.client.post(
        "/v1/items", json={"item_id": "a/b", "title": "The River"}, headers=HEADERS
    ).raise_for_status()
    keyed_gateway.model.body = {
        "items": [{"id": "a/b", "title": "The <b>River", "score": 2.5, "reason": REASON}],
        "model_version": 3,
    }
    page.set_viewport_size({"width": 390, "height": 844})
    open_with_key(page, keyed_gateway)
    page.get_by_label("User id").fill("ann")
    page.keyboard.press("Enter")
    expect(page.locator("#user-said")).to_contain_text("1 items from release 3, by the model")
    expect(page.locator("#user-answer")).to_contain_text("like Star Wars (1977) (31 %)")
    page.get_by_role("button", name="The <b>River").press("Enter")
    expect(page.locator("#item-said")).to_have_text("found The River")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
