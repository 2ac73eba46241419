"""The calls about pictures: thumbnails, and what looks like an item or a picture."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

from cron.ledger import lease_row, picture_rows
from cron.ledger.picture_rows import FetchedPicture, ItemPicture, NamedPicture
from cron.pictures.thumbnail_files import ThumbnailFiles
from cron.services import Paths
from cron.settings.places import var_folder
from cron.wiring import open_artifacts, open_ledger
from gateway.items.pictures import MAX_ITEMS
from tests.component.gateway.test_items import add
from tests.component.gateway_process import RunningGateway
from tests.contracts.records import START_AT
from tests.pictures import render

SENT = {"picture": base64.b64encode(render()).decode()}
UNREADABLE = {
    "error": {
        "field": "similar_to.picture",
        "reason": "similar_to.picture: found 4 bytes that are not a picture, expected a picture",
    }
}


def store_thumbnails(running: RunningGateway, *others_of_first: bytes, **pictures: bytes) -> None:
    """Store the thumbnails of items, as the worker does; the first item may have others too."""
    settings = running.settings
    ledger = open_ledger(settings.store.ledger)
    lease = lease_row.acquire(ledger, "worker", 60.0, lease_row.clock(ledger))
    assert lease is not None
    artifacts = open_artifacts(settings.store.artifacts)
    files = ThumbnailFiles(artifacts, Paths(var=var_folder(settings)).pictures)
    items = [
        ItemPicture(item_id=item_id, source=item_id, host="a", at=START_AT, event_id="e")
        for item_id in pictures
    ]
    contents = {**pictures, **{f"other-{n}": one for n, one in enumerate(others_of_first)}}
    others = [name for name in contents if name not in pictures]
    more = tuple(NamedPicture(source=name, host="a") for name in others)
    items[0] = replace(items[0], more=more)
    picture_rows.note_items(ledger, items, through=1, lease=lease)
    fetched = [
        FetchedPicture(source=name, thumbnail=files.put(content))
        for name, content in contents.items()
    ]
    picture_rows.record(ledger, fetched, lease=lease)
    ledger.close()


def test_a_page_finds_the_thumbnails_of_its_items(running: RunningGateway) -> None:
    red, side = render("red", kind="JPEG"), render("red", kind="JPEG", side_px=32)
    store_thumbnails(running, side, lamp=red, desk=render("blue", kind="JPEG"))
    asked = {"item_id": ["lamp", "nothing", "lamp"]}
    answer = running.client.get("/v1/pictures", params=asked).json()
    found = answer["pictures"]
    assert found == {"lamp": f"/v1/pictures/{hashlib.sha256(red).hexdigest()}.jpg"}
    other = f"/v1/pictures/{hashlib.sha256(side).hexdigest()}.jpg"
    assert answer["more"] == {"lamp": [other]}
    add(running.client, {"item_id": "lamp", "title": "Lamp"})
    item = running.client.get("/v1/items/lamp").json()
    assert item["pictures"] == [found["lamp"], other]
    picture = running.client.get(found["lamp"])
    assert picture.content == red
    assert picture.headers["content-type"] == "image/jpeg"
    assert "immutable" in picture.headers["cache-control"]
    assert running.client.head(found["lamp"]).status_code == 200


def test_hidden_items_show_no_picture(running: RunningGateway) -> None:
    add(running.client, {"item_id": "lamp", "title": "Lamp", "hidden": True})
    store_thumbnails(running, render("blue", kind="JPEG"), lamp=render(kind="JPEG"))
    shown = running.client.get("/v1/pictures?item_id=lamp").json()
    assert shown == {"pictures": {}, "more": {}}
    assert "pictures" not in running.client.get("/v1/items/lamp").json()


def test_other_files_of_the_store_are_not_served(running: RunningGateway) -> None:
    for name in ("0" * 64, "..%2f..%2frec-1", "A" * 64, "x"):
        assert running.client.get(f"/v1/pictures/{name}.jpg").status_code == 404
    many = running.client.get("/v1/pictures", params={"item_id": list(range(MAX_ITEMS + 1))})
    assert (many.status_code, many.json()["error"]["field"]) == (400, "item_id")
    assert running.client.get("/v1/pictures").status_code == 400


def test_a_picture_finds_items_that_look_like_it(running: RunningGateway) -> None:
    lamp = {"id": "lamp", "title": "Lamp", "score": 0.9}
    shelf = {"id": "shelf", "title": "Shelf", "score": 0.8}
    running.model.body = {"items": [lamp, shelf], "model_version": 3}
    add(running.client, {"item_id": "lamp", "title": "Lamp", "hidden": True})
    add(running.client, {"item_id": "shelf", "title": "Shelf", "attributes": {"price": 9.5}})
    asked = {**SENT, "k": 1, "filter": {"genre": ["War"]}, "attributes": ["price"]}
    answer = running.client.post("/v1/similar", json=asked)
    assert answer.json() == {
        "items": [{**shelf, "attributes": {"price": 9.5}}],
        "model_version": 3,
    }
    question = {"similar_to": SENT, "k": 1, "by": "picture", "filter": {"genre": ["War"]}}
    assert running.model.asked[0] == question


def test_a_bad_picture_is_a_refusal_of_its_own(running: RunningGateway) -> None:
    for body in ({}, {"picture": "@"}, {"picture": 5}, {"picture": "a" * 4_100_000}):
        answer = running.client.post("/v1/similar", json=body)
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, "picture")
    assert running.model.asked == []
    running.model.status, running.model.body = 400, UNREADABLE
    error = running.client.post("/v1/similar", json={"picture": "aGVsbG8="}).json()["error"]
    assert error["field"] == "picture"
    assert error["reason"].startswith("picture: found 4 bytes")
    large = running.client.post("/v1/similar", json={"picture": "a" * 6_000_000})
    assert large.status_code == 413
    running.model.status, running.model.body = 503, {}
    assert running.client.post("/v1/similar", json=SENT).status_code == 503


def test_a_new_item_is_compared_by_its_thumbnail(running: RunningGateway) -> None:
    """The release does not know it, and its text says nothing about how it looks."""
    add(running.client, {"item_id": "lamp", "title": "Lamp"})
    running.model.status = 400
    reason = {"field": "similar_to", "reason": "similar_to: found the unknown id"}
    running.model.body = {"error": reason, "model_version": 3}
    without = running.client.get("/v1/items/lamp/similar?by=picture")
    assert without.status_code == 400
    by_text = {"similar_to": {"text": "Lamp"}, "k": 10, "by": "picture"}
    assert running.model.asked[-1] == by_text, "a model of texts and pictures compares that"
    picture = render("red", kind="JPEG")
    store_thumbnails(running, lamp=picture)
    running.client.get("/v1/items/lamp/similar?by=picture")
    sent = {"picture": base64.b64encode(picture).decode()}
    assert running.model.asked[-1] == {"similar_to": sent, "k": 10, "by": "picture"}
