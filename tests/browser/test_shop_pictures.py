"""`/shop` with pictures: cards show them."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.shops import WebShop
from tests.component.gateway.test_picture_calls import store_thumbnails
from tests.pictures import render


def test_the_shop_shows_the_pictures_of_items(page: Page, shop: WebShop) -> None:
    key = shop.add_own_key()
    store_thumbnails(shop.gateway, **{"2": render("red", kind="JPEG")})
    page.goto(f"{shop.gateway_url}/shop?key={key}")
    shown = page.locator("#picked .cover img")
    expect(shown).to_have_count(1)
    is_drawn = "image => image.decode().then(() => image.naturalWidth)"
    assert shown.evaluate(is_drawn) == 64
    fills_its_cover = """image => {
      const boxes = [image, image.closest(".cover")].map((one) => one.getBoundingClientRect());
      return JSON.stringify(boxes[0]) === JSON.stringify(boxes[1]);
    }"""
    assert shown.evaluate(fills_its_cover)  # so no title is hidden


def test_the_page_of_an_item_shows_all_its_pictures(page: Page, shop: WebShop) -> None:
    key = shop.add_own_key()
    side = render("red", kind="JPEG", side_px=32)
    store_thumbnails(shop.gateway, side, **{"2": render("red", kind="JPEG")})
    page.goto(f"{shop.gateway_url}/shop?key={key}#item=2")
    shown = page.locator("#item-pictures img")
    expect(shown).to_have_count(2)
    is_drawn = "image => image.decode().then(() => image.naturalWidth)"
    assert [shown.nth(place).evaluate(is_drawn) for place in (0, 1)] == [64, 32]
    page.goto(f"{shop.gateway_url}/shop?key={key}#item=1")
    expect(shown).to_have_count(0)
