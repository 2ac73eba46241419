"""Items over HTTP: read, listed in pages, changed and deleted, at once and in the log."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
import pytest

from cron import wiring
from cron.item_counts import count_events
from cron.ledger import journal_rows, lease_row
from cron.ports import START, Cursor
from recommender.records.events import MAX_RECORD_BYTES, Item
from tests.component.gateway_process import RunningGateway

NOW = datetime.now(UTC)
RIVER: dict[str, object] = {
    "item_id": "new-1",
    "title": "The River",
    "text": "A river floods.",
    "attributes": {"genre": ["Drama", "War"], "year": 2026, "maker": "Acme"},
    "at": "2026-01-02T03:04:05Z",
}
ODD_IDS = ["a/b", "a%2Fb", "..", "a/../b", "日本🎬", "a?b#c", "new/similar", " x"]


def path_of(item_id: str) -> str:
    return f"/v1/items/{quote(item_id, safe='')}".replace("..", "%2E%2E")


def add(client: httpx.Client, *items: dict[str, object]) -> None:
    assert client.post("/v1/items", json=items).json()["accepted"] == len(items)


def film(item_id: str, **fields: object) -> dict[str, object]:
    return {"item_id": item_id, "title": f"Film {item_id}", **fields}


def field_of(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    field = answer.json()["error"]["field"]
    assert field in answer.json()["error"]["reason"]
    return str(field)


def listed_ids(client: httpx.Client, query: str = "") -> list[str]:
    """Return the ids of all pages of two."""
    found, cursor = list[str](), ""
    while True:
        page = client.get(f"/v1/items?limit=2{query}{cursor}").json()
        assert len(page["items"]) <= 2
        found += [item["item_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def test_pictures_are_read_by_name_and_changed_as_a_list(running: RunningGateway) -> None:
    """An item whose picture came as bytes is as small as any other, from the first read on."""
    inline = f"data:image/gif;base64,{base64.b64encode(b'GIF89a and the rest').decode()}"
    add(running.client, {**RIVER, "images": [inline, "https://shop.example/a.jpg"]})
    images = running.client.get("/v1/items/new-1").json()["images"]
    assert images[0].startswith("artifact:pictures/sent/")
    assert images[1] == "https://shop.example/a.jpg"
    changed = running.client.patch("/v1/items/new-1", json={"images": images[:1]})
    assert changed.json()["images"] == images[:1]
    kept = running.client.patch("/v1/items/new-1", json={"title": "The Sea"})
    assert kept.json()["images"] == images[:1]
    gone = running.client.patch("/v1/items/new-1", json={"images": None})
    assert gone.json()["images"] == []


def test_an_item_can_be_read_as_soon_as_it_is_sent(running: RunningGateway) -> None:
    add(running.client, RIVER)
    at = "2026-01-02T03:04:05+00:00"
    expected = {**RIVER, "images": [], "hidden": False, "at": at, "first_at": at}
    assert running.client.get("/v1/items/new-1").json() == expected
    add(running.client, {**RIVER, "at": "2026-01-03T00:00:00Z", "hidden": True})
    item = running.client.get("/v1/items/new-1").json()
    assert (item["hidden"], item["first_at"]) == (True, at)


@pytest.mark.parametrize("item_id", ODD_IDS)
def test_items_with_odd_ids_are_read_changed_and_deleted(
    shared_gateway: RunningGateway, item_id: str
) -> None:
    client, path = shared_gateway.client, path_of(item_id)
    add(client, film(item_id))
    assert client.get(path).json()["item_id"] == item_id
    assert client.patch(path, json={"text": "new"}).json()["text"] == "new"
    assert client.delete(path).json()["item_id"] == item_id
    assert field_of(client.get(path), 404) == "item_id"


@pytest.mark.parametrize("item_id", ["nobody's", "", "x" * 9_000, "%00", "null"])
def test_an_unknown_item_is_a_404(shared_gateway: RunningGateway, item_id: str) -> None:
    client, path = shared_gateway.client, f"/v1/items/{item_id}"
    assert field_of(client.get(path), 404) == "item_id"
    assert field_of(client.patch(path, json={"title": "x"}), 404) == "item_id"
    assert field_of(client.delete(path), 404) == "item_id"


def test_all_items_are_listed_in_pages(running: RunningGateway) -> None:
    assert running.client.get("/v1/items").json() == {"items": [], "next_cursor": None}
    names = ["a", "b", "c/d", "ä", "日"]
    add(running.client, *(film(one, hidden=one == "b") for one in reversed(names)))
    assert listed_ids(running.client) == names
    page = running.client.get("/v1/items?limit=5").json()
    assert [item["hidden"] for item in page["items"]] == [False, True, False, False, False]


def test_a_filter_lists_as_the_model_filters(running: RunningGateway) -> None:
    kinds = [{"genre": ["War"], "year": 1995}, {"genre": "War"}, {"zip": "90210"}, {"year": 1996.5}]
    for number, attributes in enumerate(kinds * 3):
        add(running.client, film(f"{number:02}", attributes=attributes))
    assert listed_ids(running.client, "&filter=genre:War") == ["00", "01", "04", "05", "08", "09"]
    assert listed_ids(running.client, "&filter=genre:War&filter=year:1995") == ["00", "04", "08"]
    assert listed_ids(running.client, '&filter={"year": 1995}') == ["00", "04", "08"]
    assert listed_ids(running.client, "&filter=year:1996.50") == ["03", "07", "11"]
    assert listed_ids(running.client, '&filter={"zip": 90210}') == []
    assert listed_ids(running.client, "&filter=size:XL") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=WyI1MCIsMV0", "cursor"),
        ("cursor=%F0%9F%8E%AC", "cursor"),
        ("filter=x", "filter"),
        ('filter={"a": {}}', "filter"),
        ('filter={"a": [1]}', "filter"),
        ("page=2", "page"),
    ],
)
def test_a_wrong_query_of_items_names_its_parameter(
    shared_gateway: RunningGateway, query: str, field: str
) -> None:
    assert field_of(shared_gateway.client.get(f"/v1/items?{query}"), 400) == field


def test_a_change_merges_fields_and_is_a_whole_record(running: RunningGateway) -> None:
    add(running.client, RIVER)
    change = {"title": "The Sea", "text": None, "attributes": {"genre": None, "price": 9.5}}
    changed = running.client.patch("/v1/items/new-1", json=change).json()
    attributes = {"year": 2026, "maker": "Acme", "price": 9.5}
    assert (changed["title"], changed["text"], changed["attributes"]) == (
        "The Sea",
        None,
        attributes,
    )
    assert running.client.get("/v1/items/new-1").json() == changed
    assert changed["first_at"] == "2026-01-02T03:04:05+00:00"
    record = running.log_records()[-1]
    assert isinstance(record, Item)
    assert (record.item_id, record.title, dict(record.attributes)) == (
        "new-1",
        "The Sea",
        attributes,
    )
    assert running.client.patch("/v1/items/new-1", json={}).json()["title"] == "The Sea"
    hidden = running.client.patch("/v1/items/new-1", json={"hidden": True}).json()
    assert hidden["hidden"] is True
    reset = running.client.patch("/v1/items/new-1", json={"hidden": None, "attributes": None})
    assert (reset.json()["hidden"], reset.json()["attributes"]) == (False, {})


def test_nothing_is_merged_into_records_that_are_being_filled(running: RunningGateway) -> None:
    add(running.client, RIVER)
    ledger = wiring.open_ledger(running.settings.store.ledger)
    lease = lease_row.acquire(ledger, "a worker", 60.0, lease_row.clock(ledger))
    assert lease is not None
    journal_rows.commit_segment(ledger, None, Cursor("1"), lease)
    ledger.close()
    for change in (
        running.client.patch("/v1/items/new-1", json={"title": "The Sea"}),
        running.client.delete("/v1/items/new-1"),
    ):
        assert change.status_code == 503
        assert "being filled from the journal" in change.json()["error"]["reason"]
    records = wiring.open_item_records(running.settings.store.histories)
    assert records.follow(
        [], count_events([], counts=bool, now=NOW), after=START, cursor=Cursor("1")
    )
    assert running.client.patch("/v1/items/new-1", json={"title": "The Sea"}).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"titel": "x"}, "titel"),
        ({"item_id": "y"}, "item_id"),
        ({"at": "2026-01-01"}, "at"),
        ({"title": None}, "title"),
        ({"title": ""}, "title"),
        ({"text": 7}, "text"),
        ({"hidden": "yes"}, "hidden"),
        ({"attributes": "x"}, "attributes"),
        ({"attributes": {"a": {"b": 1}}}, "attributes.a"),
        ({"images": ["ftp://shop.example/a.jpg"]}, "images[0]"),
        ({"text": "x" * MAX_RECORD_BYTES}, "body"),
        ([], "body"),
    ],
)
def test_a_wrong_change_names_its_field(
    shared_gateway: RunningGateway, change: object, field: str
) -> None:
    add(shared_gateway.client, film("w"))
    before = shared_gateway.client.get("/v1/items/w").json()
    answer = shared_gateway.client.patch("/v1/items/w", json=change)
    assert answer.status_code in (400, 413)
    assert answer.json()["error"]["field"] == field
    assert shared_gateway.client.get("/v1/items/w").json() == before


def test_a_change_follows_a_record_from_ahead_of_the_clock(running: RunningGateway) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=4)
    add(running.client, film("a", at=ahead.isoformat()))
    running.client.patch("/v1/items/a", json={"title": "Later"})
    assert running.client.get("/v1/items/a").json()["title"] == "Later"
    running.client.delete("/v1/items/a")
    assert running.client.get("/v1/items/a").status_code == 404


def test_a_deleted_item_leaves_every_list_at_once(running: RunningGateway) -> None:
    add(running.client, film("7", at="2026-01-01"), film("8", at="2026-01-01"))
    assert [one["id"] for one in running.client.get("/v1/recommendations/ann").json()["items"]] == [
        "7"
    ]
    running.client.delete("/v1/items/7")
    assert running.client.get("/v1/recommendations/ann").json()["items"] == []
    assert listed_ids(running.client) == ["8"]
    assert field_of(running.client.delete("/v1/items/7"), 404) == "item_id"
    add(running.client, film("7", at="2026-01-02"))  # a record from before the deletion
    assert listed_ids(running.client) == ["8"]
    add(running.client, film("7"))
    assert listed_ids(running.client) == ["7", "8"]
    assert [one["id"] for one in running.client.get("/v1/recommendations/ann").json()["items"]] == [
        "7"
    ]


def test_without_the_ledger_items_are_served(running: RunningGateway) -> None:
    add(running.client, film("a"))
    ledger = wiring.open_ledger(running.settings.store.ledger)
    with ledger.write() as connection:
        connection.exec_driver_sql("DROP TABLE releases")
    assert running.client.get("/v1/items/a").status_code == 200
    assert listed_ids(running.client) == ["a"]
    assert running.client.patch("/v1/items/a", json={"title": "b"}).status_code == 200
    assert running.client.get("/v1/users/ann/history").status_code == 200
    ledger.close()


def test_a_history_is_read_in_pages_newest_first(running: RunningGateway) -> None:
    add(running.client, film("50"))
    view: dict[str, object] = {"user_id": "a/history", "item_id": "50", "type": "view"}
    events = [
        {**view, "event_id": f"e{number}", "at": f"2026-01-0{1 + number // 2}"}
        for number in range(5)
    ]
    events[3] |= {"type": "rating", "rating": 4, "item_id": "unknown"}
    running.client.post("/v1/events", json=events)
    found, cursor = list[dict[str, object]](), ""
    while True:
        page = running.client.get(f"/v1/users/a%2Fhistory/history?limit=2{cursor}").json()
        found += page["events"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert [one["event_id"] for one in found] == ["e4", "e3", "e2", "e1", "e0"]
    assert found[1] == {
        "event_id": "e3",
        "item_id": "unknown",
        "title": None,
        "type": "rating",
        "rating": 4.0,
        "at": "2026-01-02T00:00:00+00:00",
    }
    assert found[0]["title"] == "Film 50"
    assert "rating" not in found[0]


def test_an_unknown_user_has_an_empty_history(shared_gateway: RunningGateway) -> None:
    answer = shared_gateway.client.get("/v1/users/nobody/history")
    assert answer.json() == {"user_id": "nobody", "events": [], "next_cursor": None}
    for query, field in (("limit=0", "limit"), ("cursor=WyJhIl0", "cursor"), ("k=1", "k")):
        assert field_of(shared_gateway.client.get(f"/v1/users/a/history?{query}"), 400) == field
    assert field_of(shared_gateway.client.get(f"/v1/users/{'x' * 600}/history"), 400) == "user_id"
