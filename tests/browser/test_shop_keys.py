"""`/shop` on a gateway with keys, and while the model server does not answer."""

from __future__ import annotations

from dataclasses import replace

from playwright.sync_api import Page, expect

from cron import wiring
from recommender.records.events import AttributeValue
from tests.browser.shops import WebShop
from tests.contracts.records import item


def test_the_shop_asks_for_a_key_and_works_with_it(page: Page, shop: WebShop) -> None:
    key = shop.add_own_key()
    page.goto(f"{shop.gateway_url}/shop")
    expect(page.get_by_role("alert")).to_contain_text("This shop needs a browser key.")
    expect(page.get_by_role("alert")).to_contain_text(f"--origin {shop.gateway_url}")
    expect(page.get_by_role("alert")).not_to_contain_text("`")
    page.get_by_label("Browser key").fill(key)
    page.keyboard.press("Enter")
    expect(page.locator("#picked .card").first).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_cards_say_what_an_item_is(page: Page, shop: WebShop) -> None:
    attributes: dict[str, AttributeValue] = {
        "genre": ("War", "Drama", "Epic"),
        "year": 1977.0,
        "price": 9.5,
        "currency": "EUR",
    }
    film = replace(item(1, "1"), attributes=attributes)
    wiring.open_item_records(shop.gateway.settings.store.histories).append([film])
    page.goto(f"{shop.gateway_url}/shop?key={shop.add_own_key()}")
    cards = page.locator("#picked .card")
    expect(cards.first.locator(".facts")).to_have_text("War, Drama · 1977 · 9.50 EUR")
    expect(cards.nth(1).locator(".facts")).to_be_empty()
    cards.first.click()
    expect(page.locator("#item-facts")).to_have_text("War, Drama · 1977 · 9.50 EUR")


def test_an_item_of_no_known_title_is_shown_by_its_id(page: Page, shop: WebShop) -> None:
    page.goto(f"{shop.gateway_url}/shop?key={shop.add_own_key()}#item=a/1")
    expect(page.locator("#item-title")).to_have_text("Item a/1")
    page.get_by_role("button", name="I like this").click()
    expect(page.locator("#liked")).to_contain_text("Not noted")


def test_the_shop_shows_popular_items_while_the_model_is_away(page: Page, shop: WebShop) -> None:
    key = shop.add_own_key()
    shop.gateway.model.status = 500
    page.goto(f"{shop.gateway_url}/shop?key={key}")
    expect(page.locator("#picked .card").first).to_be_visible()
    expect(page.locator("#release")).to_contain_text("popular items of release 3")
