"""`/shop` and `/` in a real browser, on a gateway with a trained release in TorchServe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from cron import wiring
from cron.ports import START
from recommender.records.events import Event
from tests.browser.shops import until
from tests.component.gateway_process import gateway, settings_in
from tests.planted import planted_items
from tests.system.test_switch import open_live_workshop

PHONE: ViewportSize = {"width": 390, "height": 844}


@dataclass(frozen=True, kw_only=True)
class DemoShop:
    """A gateway without keys whose release was trained on planted data."""

    url: str
    events_url: str

    def events(self) -> list[Event]:
        """Return the events of visitors, whose ids are UUIDs."""
        records = wiring.open_log(self.events_url).read(START, 10_000).records
        return [one for one in records if isinstance(one, Event) and "-" in one.user_id]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoShop]:
    """Train a release, load it into TorchServe, and serve it."""
    folder = tmp_path_factory.mktemp("demo")
    with open_live_workshop(folder) as workshop:
        workshop.start()
        settings = settings_in(folder, inference_port=workshop.server.ports.inference)
        with gateway(settings) as client:
            items = [
                {"item_id": one.item_id, "title": one.title, "text": one.text}
                for one in planted_items()
            ]
            client.post("/v1/items", json=items).raise_for_status()
            yield DemoShop(url=str(client.base_url).rstrip("/"), events_url=settings.store.events)


def card_ids(page: Page, row: str) -> list[str]:
    """Return the items of a row, as their cards link them."""
    cards = page.locator(f"#{row} .card")
    expect(cards.first).to_be_visible()
    return [str(one.get_attribute("href")) for one in cards.all()]


def test_a_click_changes_the_next_row_at_once(page: Page, demo: DemoShop) -> None:
    page.goto(f"{demo.url}/shop")
    page.check("#consent")
    expect(page.get_by_role("region", name="Picked for you")).to_be_visible()
    before = card_ids(page, "picked")
    odd = page.locator("#popular .card[href$='1'], #popular .card[href$='7']").first
    clicked = str(odd.get_attribute("href"))
    odd.click()
    expect(page.locator("#item-title")).to_be_focused()
    expect(page.locator("#picked .why").first).to_contain_text("“")  # the clicked title
    assert card_ids(page, "picked") != before
    assert clicked not in card_ids(page, "picked")
    assert clicked not in card_ids(page, "similar") + card_ids(page, "because")
    until(page, lambda: {"click", "view"} <= {one.type for one in demo.events()}, demo.events)
    expect(page.locator("#release")).to_contain_text("Answered by release 1; its weights are")
    page.go_back()
    expect(page.locator("#item")).to_be_hidden()
    expect(page.locator("#similar")).to_be_hidden()


def test_the_shop_works_with_the_keyboard_alone(page: Page, demo: DemoShop) -> None:
    page.goto(f"{demo.url}/shop")
    card_ids(page, "popular")
    page.locator("#consent").focus()
    page.keyboard.press("Space")
    assert page.evaluate("() => freshet.visitor") is not None
    expect(page.get_by_role("region", name="Picked for you")).to_be_visible()
    for _ in range(3):  # past the first card of the first row
        page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "card"
    page.keyboard.press("Enter")
    expect(page.locator("#item-title")).to_be_focused()


def test_a_page_that_is_opened_directly_has_its_title(page: Page, demo: DemoShop) -> None:
    """No row of a new visitor shows this item, and its page needs its name all the same."""
    page.goto(f"{demo.url}/shop#item=i3")
    expect(page.locator("#item-title")).to_have_text("Thing 3 (1990)")


def test_a_search_stands_in_place_of_an_open_item(page: Page, demo: DemoShop) -> None:
    page.goto(f"{demo.url}/shop#item=i3")
    expect(page.locator("#similar .card").first).to_be_visible()
    page.get_by_role("searchbox").fill("thing 17")
    page.keyboard.press("Enter")
    assert card_ids(page, "found")[0] == "#item=i17"
    expect(page.get_by_role("heading", name="Found for “thing 17”")).to_be_visible()
    expect(page.locator("#item")).to_be_hidden()
    expect(page.locator("#similar")).to_be_hidden()
    page.go_back()
    expect(page.locator("#item")).to_be_visible()
    expect(page.locator("#found")).to_be_hidden()


@pytest.mark.parametrize("path", ["/shop", "/"])
def test_pages_fit_a_phone_and_call_no_other_host(page: Page, demo: DemoShop, path: str) -> None:
    asked: list[str] = []
    refused: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on(
        "console",
        lambda message: refused.append(message.text) if message.type == "error" else None,
    )
    page.set_viewport_size(PHONE)
    page.goto(f"{demo.url}{path}")
    expect(page.get_by_text("release 1").or_(page.get_by_text("Release 1")).first).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    assert all(one.startswith((demo.url, "data:")) for one in asked)
    assert refused == []


def test_headings_and_controls_have_names(page: Page, demo: DemoShop) -> None:
    page.goto(f"{demo.url}/shop")
    card_ids(page, "popular")
    expect(page.get_by_role("region", name="Popular")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    for control in page.locator("a, button, input").all():
        if control.is_visible():
            name = control.evaluate(
                "(one) => one.ariaLabel || one.labels?.[0]?.textContent || one.textContent"
            )
            assert name.strip()
