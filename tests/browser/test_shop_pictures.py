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
    cover = page.locator("#picked .cover", has=page.locator("img"))
    assert shown.bounding_box() == cover.bounding_box()  # so no title is hidden
