"""`/shop` has a line of text under each recommendation, in the language of the browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.shops import LIMIT_S, WebShop
from tests.component.gateway_process import run_gateway

ANN: dict[str, str | None] = {"id": "m.1", "name": "Ann Lee"}
NAMELESS: dict[str, str | None] = {"id": "m.1", "name": None}
DIRECTED = "film.film.directed_by"
# the entity between the two items and its relations, and what a card says in both languages
SHOWN: tuple[tuple[dict[str, str | None] | None, str | None, str, str], ...] = (
    (ANN, DIRECTED, "Directed by Ann Lee, like “Sea”.", "与“Sea”同为Ann Lee执导。"),
    (NAMELESS, "http://x/director", "From the director of “Sea”.", "与“Sea”出自同一位导演。"),
    (ANN, "actor", "Starring Ann Lee, as in “Sea”.", "和“Sea”一样，由Ann Lee主演。"),
    (None, None, "opular", "本店"),
)


def offer(shop: WebShop) -> str:
    """Have the model recommend an item for each fact; return the page's address."""
    items = []
    for number, (via, relation, _, _) in enumerate(SHOWN):
        path = {"item": {"id": "sea", "title": "Sea"}, "relation": relation, "via": via}
        facts = [path | {"item_relation": relation}] if via else []
        reason = {"nearest": [], "shared": {}, "popular": True, "new": False, "facts": facts}
        items.append({"id": f"{number}", "title": "Film", "score": 1.5, "reason": reason})
    shop.gateway.model.body = {"items": items, "model_version": 3}
    return f"{shop.gateway_url}/shop?key={shop.add_own_key()}"


def test_a_card_says_why_in_english(page: Page, shop: WebShop) -> None:
    page.goto(offer(shop))
    lines = page.locator("#picked .why")
    expect(lines).to_have_count(len(SHOWN))
    for number, (_, _, english, _) in enumerate(SHOWN):
        expect(lines.nth(number)).to_contain_text(english)
        expect(lines.nth(number)).to_have_attribute("lang", "en")


def test_other_rows_have_lines_and_titles_too(
    page: Page, tmp_path: Path, story_ledger: Path
) -> None:
    film = {"item_id": "50", "title": "Star Wars (1977)", "attributes": {"genre": ["Sci-Fi"]}}
    with run_gateway(tmp_path, story_ledger) as running:
        assert running.client.post("/v1/items", json=[film]).is_success
        page.goto(f"{running.client.base_url}/shop")
        expect(page.locator("#new .why").first).to_contain_text("Sci-fi")
        expect(page.locator("#new .note")).to_contain_text("New")
        expect(page.locator("#new .note")).to_have_attribute("lang", "en")


@pytest.mark.parametrize("locale", ["zh-CN", "zh-TW"])
def test_a_card_says_why_in_chinese(chromium: Browser, shop: WebShop, locale: str) -> None:
    context = chromium.new_context(locale=locale)
    page = context.new_page()
    page.set_default_timeout(LIMIT_S * 1000)
    page.goto(offer(shop))
    lines = page.locator("#picked .why")
    expect(lines).to_have_count(len(SHOWN))
    for number, (_, _, _, chinese) in enumerate(SHOWN):
        expect(lines.nth(number)).to_contain_text(chinese)
        expect(lines.nth(number)).to_have_attribute("lang", "zh")
    context.close()
