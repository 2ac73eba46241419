"""The status page shows texts about items, and an editor decides about them there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from copywriter.verifier.verdict import Violation
from copywriter.writing.verified import RejectedText, VerifiedText
from cron.ledger import copy_cost_rows, copy_rows, writer_rows
from cron.ledger.ledger import open_ledger
from tests.component.gateway_process import StandIn, gateway, settings_in
from tests.film_briefs import film_brief

LIE = RejectedText(text="By Bob.", violations=(Violation(rule="names", words="Bob"),))


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Serve a gateway, with a key, whose writer wrote a text and a lie."""
    model = StandIn()
    settings = settings_in(tmp_path, inference_port=model.port, api_key="the-key")
    ledger = open_ledger(settings.store.ledger)
    writer_rows.add(ledger, "w", name="small")
    writer_rows.set_live(ledger, "w")
    red, blue = film_brief("Red Boat"), film_brief("Blue Train")
    texts = [
        VerifiedText(brief=blue, text="A quiet train.", source="writer"),
        VerifiedText(brief=red, text="T", source="template", rejected=(LIE, LIE)),
    ]
    copy_rows.store(ledger, "w", texts)
    copy_cost_rows.count_shown(ledger, {"writer": 3, "template": 1})
    ledger.close()
    with gateway(settings) as client:
        yield str(client.base_url)
    model.stop()


def test_an_editor_decides_about_texts_on_the_page(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Enter a key").press("Enter")
    page.keyboard.type("the-key")
    page.keyboard.press("Enter")
    part, said = page.locator("#texts"), page.locator("#texts-said")
    expect(page.locator("#texts-total")).to_contain_text("4 shown in 24 h · 75.0 % were ready")
    expect(part).to_contain_text("rejected: By Bob. (names: Bob)")
    expect(part).to_contain_text("Rules that rejected texts broke: names 2.")
    part.get_by_role("button", name="edit…: A quiet train.").press("Enter")
    page.get_by_role("textbox", name="Your text").fill("The best train ever.")
    page.keyboard.press("Enter")
    expect(said).to_contain_text("Shown now: The best train ever. The verifier objects (")
    page.get_by_role("button", name="by editors").press("Enter")
    expect(part).not_to_contain_text("By Bob.")
    expect(page.get_by_role("button", name="by editors")).to_be_focused()
    part.get_by_role("button", name="undo: The best train ever.").press("Enter")
    expect(said).to_have_text("Shown now: A quiet train.")
    expect(part).to_contain_text("No such text yet.")
