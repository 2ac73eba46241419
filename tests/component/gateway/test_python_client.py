"""The Python client against a real gateway: every call, both clients, and what goes wrong."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

import pytest

from cron.project_root import PROJECT_ROOT
from freshet_client import AsyncFreshet, Event, Freshet, Item, Refused, Retries, Unavailable
from freshet_client.answers import Recommendations
from freshet_client.questions import Question
from tests.component.gateway_process import RunningGateway

Element = TypeVar("Element")
CLIENT = PROJECT_ROOT / "clients" / "python"
ODD_IDS = ("a/b", "100%", "%2F", ".", "..", "x..y", "ä ö/☃", "a?b#c", "q/similar", "e&f=g+h")


@pytest.fixture(scope="module")
def shop(shared_gateway: RunningGateway) -> Iterator[Freshet]:
    with Freshet(str(shared_gateway.client.base_url)) as client:
        yield client


def test_recommendations_come_by_get_or_by_post(
    shop: Freshet, shared_gateway: RunningGateway
) -> None:
    simple = shop.recommend(user_id="ann", k=1)
    session = shop.recommend(history=["5", {"id": "6", "type": "view"}], exclude=["9"], k=1)
    for found in (simple, session):
        assert [(item.rank, item.id, item.title) for item in found.items] == [(1, "7", "Film 7")]
        assert (found.model_version, found.policy, found.fallback) == (3, "greedy", False)
    assert (simple.user_id, session.user_id) == ("ann", None)
    assert shared_gateway.model.asked[-1]["exclude"] == ["9"]


def test_many_lists_come_in_the_order_of_their_questions(shop: Freshet) -> None:
    asked: list[Question] = [{"user_id": f"u{number}", "k": min(number, 1)} for number in range(5)]
    wrong, *lists = shop.recommend_many(asked)
    assert isinstance(wrong, Refused)
    assert wrong.field == "k"
    users = [one.user_id for one in lists if isinstance(one, Recommendations)]
    assert users == [f"u{number}" for number in range(1, 5)]


def test_records_are_sent_read_changed_and_deleted(shop: Freshet) -> None:
    text = "A river floods a valley. " * 2_000  # sent as gzip
    stored = shop.send_items(
        [Item("i1", "One", text=text, attributes={"genre": ["Drama"]}), Item("i2", "Two")]
    )
    assert (stored.accepted, stored.rejected) == (2, ())
    item = shop.item("i1")
    assert (item.title, item.text, item.attributes) == ("One", text, {"genre": ("Drama",)})
    assert item.at.tzinfo is not None
    changed = shop.change_item("i1", text=None, attributes={"price": 9.5})
    assert (changed.text, changed.attributes) == (None, {"genre": ("Drama",), "price": 9.5})
    assert [item.item_id for item in shop.items(page_size=1)][:2] == ["i1", "i2"]
    assert [item.item_id for item in shop.items(filter={"genre": "Drama"})] == ["i1"]
    assert shop.new(k=1).items[0].id in ("i1", "i2")
    assert shop.delete_item("i2").deleted
    with pytest.raises(Refused) as refused:
        shop.item("i2")
    assert (refused.value.status, refused.value.field) == (404, "item_id")


def test_events_are_sent_once_and_read_in_pages(shop: Freshet) -> None:
    events = [Event("eve", f"e{number}", "view", dwell_s=3.0) for number in range(3)]
    assert shop.send_events(events).accepted == 3
    assert shop.send_events(events).duplicates == 3
    found = list(shop.history("eve", page_size=2))
    assert {event.event_id for event in found} == {event.event_id for event in events}
    assert shop.forget_user("eve").forgotten
    assert list(shop.history("eve")) == []


def test_a_rejected_record_has_its_place_among_all(shop: Freshet) -> None:
    events = [Event("ann", "5", "view") for _ in range(1_001)]
    stored = shop.send_events([*events, Event("ann", "5", "rating")])
    assert (stored.accepted, [(one.index, one.field) for one in stored.rejected]) == (
        1_001,
        [(1_001, "rating")],
    )
    only_bad = shop.send_events([Event("ann", "null", "view")])
    assert [one.field for one in only_bad.rejected] == ["item_id"]


@pytest.mark.parametrize("id_", ODD_IDS)
def test_an_odd_id_arrives_as_it_is(shop: Freshet, id_: str) -> None:
    assert shop.send_items([Item(id_, "Odd")]).accepted == 1
    assert shop.item(id_).item_id == id_
    assert shop.send_events([Event(id_, id_, "view")]).accepted == 1
    assert [event.item_id for event in shop.history(id_)] == [id_]
    assert shop.recommend(user_id=id_, k=1).user_id == id_
    assert shop.forget_user(id_).user_id == id_
    assert shop.delete_item(id_).item_id == id_


def test_lists_without_a_user_and_the_status_are_read(shop: Freshet) -> None:
    assert shop.popular(k=2, window="7d").model_version is None
    assert shop.popular(k=2).items is not None
    assert shop.trending(window="24h", filter={"genre": "Drama"}).items == ()
    assert shop.status().live is not None
    with pytest.raises(Refused, match="taste, text, both, picture or facts"):
        shop.similar("5", by="price")


def test_a_refusal_names_the_field(shop: Freshet) -> None:
    with pytest.raises(Refused) as refused:
        shop.recommend(user_id="ann", k=0)
    assert (refused.value.field, refused.value.status) == ("k", 400)


def test_similar_items_wait_for_a_model_in_vain(running: RunningGateway) -> None:
    running.model.stop()
    retries = Retries(tries=2, first_wait_s=0.0)
    with Freshet(str(running.client.base_url), retries=retries) as shop:
        with pytest.raises(Unavailable) as unavailable:
            shop.similar("5")
        assert unavailable.value.status == 503
        assert shop.recommend(user_id="ann").fallback


def test_no_gateway_is_unavailable() -> None:
    with (
        Freshet("http://127.0.0.1:9", retries=Retries(tries=2, first_wait_s=0.0)) as shop,
        pytest.raises(Unavailable, match=r"127\.0\.0\.1"),
    ):
        shop.status()


def test_a_url_without_a_scheme_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="expected a URL"):
        Freshet("gateway:8000")
    with pytest.raises(ValueError, match="key: found characters"):
        Freshet("http://127.0.0.1:9", key="freshet_schl\u00fcssel")


def test_the_asyncio_client_makes_the_same_calls(shared_gateway: RunningGateway) -> None:
    asyncio.run(_visit(str(shared_gateway.client.base_url)))


async def _visit(url: str) -> None:
    async with AsyncFreshet(url) as shop:
        assert (await shop.recommend(user_id="ann", k=1)).items[0].id == "7"
        lists = await to_list(shop.recommend_many([{"user_id": "ann"}, {"user_id": "ben"}]))
        assert [one.user_id for one in lists if isinstance(one, Recommendations)] == ["ann", "ben"]
        assert (await shop.send_items([Item("a/1", "First"), Item("a/2", "Second")])).accepted == 2
        assert (await shop.item("a/1")).title == "First"
        assert (await shop.change_item("a/1", hidden=True)).hidden
        found = await to_list(shop.items(page_size=1))
        assert {"a/1", "a/2"} <= {item.item_id for item in found}
        assert (await shop.delete_item("a/1")).deleted
        assert (await shop.send_events([Event("amy", "a/2", "view")])).accepted == 1
        assert [event.title for event in await to_list(shop.history("amy"))] == ["Second"]
        assert (await shop.forget_user("amy")).forgotten
        assert (await shop.popular(k=1)).items is not None
        assert (await shop.trending(k=1)).items == ()
        assert (await shop.new(k=1)).items
        assert (await shop.status()).live is not None
        with pytest.raises(Refused):
            await shop.similar("5", by="price")


async def to_list(found: AsyncIterator[Element]) -> list[Element]:
    return [one async for one in found]


def test_a_program_that_ends_sends_what_waits(running: RunningGateway) -> None:
    program = (
        "import sys\n"
        "from freshet_client import Event, Freshet, QueueLimits\n"
        "shop = Freshet(sys.argv[1])\n"
        "queue = shop.event_queue(QueueLimits(max_age_s=3600))\n"
        "queue.put(Event('zoe', '5', 'view'))\n"
    )
    url = str(running.client.base_url)
    ended = subprocess.run(
        [sys.executable, "-c", program, url], cwd=CLIENT, capture_output=True, text=True, check=True
    )
    assert ended.stderr == ""
    with Freshet(url) as shop:
        assert [event.item_id for event in shop.history("zoe")] == ["5"]
