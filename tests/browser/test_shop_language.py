"""`/shop` speaks the language of the browser: its headings, buttons and notes, too."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.shops import WebShop, new_page


@pytest.mark.parametrize(
    ("locale", "language", "title", "picked"),
    [
        ("en-GB", "en", "A shop on Freshet", "To begin with"),
        ("fr", "en", "A shop on Freshet", "To begin with"),
        ("zh-CN", "zh", "Freshet 示例商店", "不妨从这里开始"),
        ("zh-TW", "zh", "Freshet 示例商店", "不妨从这里开始"),
    ],
)
def test_the_page_is_in_the_browsers_language(
    chromium: Browser, shop: WebShop, locale: str, language: str, title: str, picked: str
) -> None:
    with new_page(chromium, locale=locale) as page:
        page.goto(f"{shop.gateway_url}/shop?key={shop.add_own_key()}")
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(page).to_have_title(title)
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        expect(page.locator("#picked h2")).to_have_text(picked)


def test_a_chinese_page_has_no_english_words_of_its_own(chromium: Browser, shop: WebShop) -> None:
    with new_page(chromium, locale="zh-CN") as page:
        page.goto(f"{shop.gateway_url}/shop?key={shop.add_own_key()}#item=a/1")
        expect(page.locator("#item-title")).to_have_text("商品 a/1")
        page.get_by_role("button", name="我喜欢").click()
        expect(page.locator("#liked")).to_have_text("没有记下，因为您没有允许本店记住您看过什么。")
        page.get_by_label("记住我看过什么，为我推荐更多类似的").check()
        expect(page.get_by_role("region", name="为您推荐")).to_be_visible()
        expect(page.locator("#release")).to_contain_text("版本 3")
        expect(page.get_by_role("searchbox", name="在本店搜索")).to_be_visible()
        expect(page.get_by_role("button", name="搜索")).to_be_visible()
        shown = page.evaluate("() => document.querySelector('header').innerText")
        assert not set("abcdefghijklmnopqrstuvwxyz") & set(str(shown).replace("Freshet", ""))


def test_the_shop_asks_for_a_key_in_chinese(chromium: Browser, shop: WebShop) -> None:
    key = shop.add_own_key()
    with new_page(chromium, locale="zh-CN") as page:
        page.goto(f"{shop.gateway_url}/shop")
        expect(page.get_by_role("alert")).to_contain_text("本店需要浏览器密钥。")
        page.get_by_label("浏览器密钥").fill(key)
        page.get_by_role("button", name="使用这个密钥").click()
        expect(page.locator("#picked .card").first).to_be_visible()


def test_both_languages_have_the_same_words(page: Page, shop: WebShop) -> None:
    """A word with values between its parts has as many parts in each language."""
    page.goto(f"{shop.gateway_url}/shop?key={shop.add_own_key()}")
    parts = "Object.entries(WORDS[one]).map(([word, text]) => [word, [text].flat().length])"
    english, chinese = page.evaluate(f"() => ['en', 'zh'].map((one) => {parts})")
    assert english == chinese
    named = page.evaluate(
        "() => [...document.querySelectorAll('[data-word]')].map((one) => one.dataset.word)"
    )
    assert {word for word, _ in english} >= set(named)
