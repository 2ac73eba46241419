"""The snippet in a real browser, on a shop's page with an origin of its own."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Page, Response

from cron.settings.tree import GatewaySettings
from recommender.records.events import Event
from tests.browser.shops import WebShop, open_bare_page, open_page, open_shop, stored_names, until

MAX_WAITING = 500
# the names under which events wait
WAITING = "() => Object.keys(localStorage).filter((name) => name.startsWith('freshet:event:'))"


def list_of(event: Event) -> str | None:
    """Return the list that an event names."""
    return event.details.recommendation_id if event.details else None


def test_nothing_is_stored_or_sent_before_consent(page: Page, shop: WebShop) -> None:
    open_page(page, shop, consent=False)
    page.evaluate("() => freshet.view('1')")
    page.click("#row button")  # the page asks for its row again
    page.evaluate("() => freshet.recommend({ k: 3 })")
    assert shop.gateway.model.asked[-1]["user_seq"] == []
    assert stored_names(page) == []
    page.check("#agree")
    page.evaluate("() => freshet.view('2')")
    (event,) = shop.wait_for_actions(page, 1)
    assert (event.type, event.item_id) == ("view", "2")


def test_events_are_of_one_visitor_and_share_a_call(page: Page, shop: WebShop) -> None:
    calls: list[str] = []
    page.on("request", lambda request: calls.append(f"{request.method} {request.url}"))
    open_bare_page(page, shop)
    page.evaluate("() => { freshet.view(1); freshet.view('2'); freshet.track('like', '3'); }")
    events = shop.wait_for_actions(page, 3)
    assert [(one.type, one.item_id) for one in events] == [
        ("view", "1"),
        ("view", "2"),
        ("like", "3"),
    ]
    assert {one.user_id for one in events} == {page.evaluate("() => freshet.visitor")}
    for one in events:
        assert uuid.UUID(one.event_id).version == 4
    until(page, lambda: page.evaluate(WAITING) == [], shop.events)
    assert len([one for one in calls if one.startswith("POST") and "/v1/events" in one]) == 1


def test_a_visitor_is_the_same_on_the_next_page(page: Page, shop: WebShop) -> None:
    visitor = open_bare_page(page, shop).evaluate("() => freshet.visitor")
    page.goto(shop.url)
    assert page.is_checked("#agree")
    assert page.evaluate("() => freshet.visitor") == visitor


def test_impressions_count_what_was_seen_once(page: Page, shop: WebShop) -> None:
    page.set_viewport_size({"width": 400, "height": 500})
    open_bare_page(page, shop)
    page.evaluate(
        """() => {
          document.body.innerHTML = "<p style='height: 300px'>A</p><p style='height: 900px'></p>"
            + "<p style='height: 300px'>B</p>";
          const [above, , below] = document.querySelectorAll("p");
          freshet.shown(above, "50", "list-1");
          freshet.shown(below, "181", "list-1");
        }"""
    )

    def impressions() -> list[tuple[str, str | None]]:
        return [
            (one.item_id, list_of(one))
            for one in shop.events()
            if one.type == "impression" and list_of(one) == "list-1"
        ]

    until(page, lambda: len(impressions()) >= 1, shop.events)
    assert impressions() == [("50", "list-1")]
    page.evaluate("() => scrollTo(0, 5000)")
    until(page, lambda: len(impressions()) >= 2, shop.events)
    page.evaluate("() => scrollTo(0, 0)")
    page.evaluate("() => freshet.shown(document.querySelector('p'), '50', 'list-1')")
    page.evaluate("() => freshet.shown(document.querySelector('p'), '50', 'list-2')")
    until(
        page,
        lambda: any(list_of(one) == "list-2" for one in shop.events()),
        shop.events,
    )
    assert impressions() == [("50", "list-1"), ("181", "list-1")]


def test_a_click_names_its_list_and_so_do_later_events(page: Page, shop: WebShop) -> None:
    open_page(page, shop)
    shown = page.locator("#row button").first
    shown.click()
    page.evaluate("() => { freshet.track('add_to_cart', '1'); freshet.track('add_to_cart', '5'); }")
    until(page, lambda: any(one.item_id == "5" for one in shop.events()), shop.events)
    events = {(one.type, one.item_id): one for one in shop.events()}
    list_id = list_of(events["click", "1"])
    assert list_id is not None
    assert list_of(events["add_to_cart", "1"]) == list_id
    assert list_of(events["add_to_cart", "5"]) is None


def test_the_lists_of_the_newest_clicks_are_remembered(page: Page, shop: WebShop) -> None:
    """Also when the newest ids are the lowest numbers, which JavaScript's objects put first."""
    open_bare_page(page, shop)
    page.evaluate(
        """() => {
          const click = (item) => freshet.click(item, { recommendation_id: `list-${item}` });
          for (let item = 160; item > 100; item--) click(item);
          click("__proto__");
          click(101);
          for (const item of [160, 102, "__proto__", "constructor"]) freshet.view(item);
        }"""
    )
    until(page, lambda: any(one.item_id == "constructor" for one in shop.events()), shop.events)
    views = {one.item_id: list_of(one) for one in shop.events() if one.type == "view"}
    assert views == {
        "160": None,
        "102": "list-102",
        "__proto__": "list-__proto__",
        "constructor": None,
    }


def test_the_next_list_knows_the_click_before_it_is_sent(page: Page, shop: WebShop) -> None:
    page.route("**/v1/events*", lambda route: route.abort())
    open_page(page, shop)
    page.locator("#row button").nth(2).click()

    def asked_history() -> list[tuple[object, object]]:
        history = shop.gateway.model.asked[-1]["user_seq"]
        assert isinstance(history, list)
        return [(one["id"], one["type"]) for one in history]

    until(page, lambda: asked_history() == [("3", "click")], shop.events)


def test_events_wait_for_a_connection_in_bounded_space(page: Page, shop: WebShop) -> None:
    open_bare_page(page, shop)
    page.context.set_offline(True)
    page.evaluate(
        "(count) => { for (let item = 1; item <= count; item++) freshet.track('view', item); }",
        MAX_WAITING + 50,
    )
    assert len(page.evaluate(WAITING)) == MAX_WAITING
    assert shop.events() == []
    page.context.set_offline(False)
    events = shop.wait_for_actions(page, MAX_WAITING)
    assert [int(one.item_id) for one in events] == list(range(51, MAX_WAITING + 51))


def test_events_of_a_page_that_is_left_arrive_once(page: Page, shop: WebShop) -> None:
    open_bare_page(page, shop)
    page.evaluate("() => { freshet.view('7'); location.href = 'about:blank'; }")
    shop.wait_for_actions(page, 1)
    open_bare_page(page, shop)  # it sends what has no answer
    until(page, lambda: page.evaluate(WAITING) == [], shop.events)
    assert [one.item_id for one in shop.events() if one.type == "view"] == ["7"]


def test_a_refused_event_is_not_sent_again(page: Page, shop: WebShop) -> None:
    warnings: list[str] = []
    page.on("console", lambda message: warnings.append(message.text))
    open_bare_page(page, shop)
    page.evaluate("() => { freshet.track('purchase', '1'); freshet.view('2'); }")
    shop.wait_for_actions(page, 1)
    until(page, lambda: page.evaluate(WAITING) == [], shop.events)
    until(page, lambda: any("type: found 'purchase'" in one for one in warnings), shop.events)


def test_withdrawal_deletes_everything_in_every_tab(page: Page, shop: WebShop) -> None:
    open_bare_page(page, shop)
    other = page.context.new_page()
    open_bare_page(other, shop)
    page.context.set_offline(True)
    page.evaluate("() => freshet.view('1')")
    assert len(stored_names(page)) >= 2
    page.evaluate("() => freshet.consent(false)")
    assert stored_names(page) == []
    other.wait_for_function("() => freshet.visitor === null")
    other.evaluate("() => freshet.view('2')")
    assert stored_names(other) == []
    page.context.set_offline(False)
    page.evaluate("() => { freshet.consent(true); freshet.view('3'); }")
    assert [one.item_id for one in shop.wait_for_actions(page, 1)] == ["3"]


def test_too_many_calls_wait_as_long_as_they_are_asked(
    page: Page, tmp_path: Path, story_ledger: Path
) -> None:
    few = GatewaySettings(key_calls_s=0.1)  # a call each ten seconds: a slow page sends none late
    with open_shop(tmp_path, story_ledger, gateway_settings=few) as shop:
        statuses: list[tuple[int, str]] = []

        def note(answer: Response) -> None:
            if answer.request.method == "POST" and answer.url.endswith("/v1/events"):
                statuses.append((answer.status, answer.headers.get("retry-after", "")))

        page.on("response", note)
        open_bare_page(page, shop)
        page.evaluate(  # as soon as the gateway refuses the next call
            "async () => { try { for (;;) await freshet.popular(); } catch { freshet.view('1'); } }"
        )
        shop.wait_for_actions(page, 1)
        assert statuses[0][0] == 429
        assert int(statuses[0][1]) >= 1
        until(page, lambda: statuses[-1][0] == 202, shop.events)
        assert len(statuses) <= 4


def test_a_clock_that_is_wrong_does_not_lose_events(page: Page, shop: WebShop) -> None:
    page.clock.install(time=datetime.now(UTC) + timedelta(hours=3))
    open_bare_page(page, shop)
    page.evaluate("() => freshet.view('1')")
    (event, *_) = shop.wait_for_actions(page, 1)
    assert abs(event.at - datetime.now(UTC)) < timedelta(minutes=2)


def test_the_types_name_what_the_snippet_offers(page: Page, shop: WebShop) -> None:
    offered = set(open_bare_page(page, shop).evaluate("() => Object.keys(freshet)"))
    types = shop.gateway.client.get("/freshet.d.ts").text
    interface = types.partition("export interface Freshet {")[2].partition("\n}\n")[0]
    declared = {
        line.strip().removeprefix("readonly ").partition("(")[0].partition(":")[0]
        for line in interface.splitlines()
        if line.startswith("  ") and not line.startswith(("   ", "  /**", "  )"))
    }
    assert declared == offered


def test_a_click_is_of_the_item_that_an_element_shows_now(page: Page, shop: WebShop) -> None:
    """Frameworks use the same element again for another item."""
    open_bare_page(page, shop)
    page.evaluate(
        """() => {
          const card = document.body.appendChild(document.createElement("button"));
          freshet.shown(card, "1");
          freshet.shown(card, "2");
          card.click();
          freshet.view("3");
        }"""
    )
    events = shop.wait_for_actions(page, 2)
    assert [(one.type, one.item_id) for one in events] == [("click", "2"), ("view", "3")]
