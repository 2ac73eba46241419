"""`/shop` says what a picked item shares with one that the visitor looked at."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.shops import WebShop

ANN: dict[str, str | None] = {"id": "m.1", "name": "Ann Lee"}
NAMELESS: dict[str, str | None] = {"id": "m.1", "name": None}
# the relation, the entity between, the other item's relation, and what a card says
SHOWN: tuple[tuple[str | None, dict[str, str | None] | None, str | None, str], ...] = (
    ("film.film.directed_by", ANN, "film.film.directed_by", "directed by Ann Lee, also in Sea"),
    ("actor", ANN, "director", "actor Ann Lee, also director in Sea"),
    ("http://x/director", NAMELESS, "http://x/director", "same director as Sea"),
    ("actor", NAMELESS, "director", "actor in common with Sea"),
    ("sequel", None, None, "sequel: Sea"),
    (None, None, "sequel", "sequel of Sea"),
)


def test_a_card_names_the_first_shared_fact(page: Page, shop: WebShop) -> None:
    items = []
    for number, (relation, via, item_relation, _) in enumerate(SHOWN):
        path = {"item": {"id": "sea", "title": "Sea"}, "relation": relation, "via": via}
        facts = [path | {"item_relation": item_relation}]
        reason = {"nearest": [], "shared": {}, "popular": True, "new": False, "facts": facts}
        items.append({"id": f"{number}", "title": "Film", "score": 1.5, "reason": reason})
    shop.gateway.model.body = {"items": items, "model_version": 3}
    page.goto(f"{shop.gateway_url}/shop?key={shop.add_own_key()}")
    expect(page.locator("#picked .why")).to_have_text([shown for *_, shown in SHOWN])
