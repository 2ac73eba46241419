"""Product feeds over HTTP: the same items as from a file."""

from __future__ import annotations

import pytest

from recommender.records.events import Item
from tests.component.gateway_process import RunningGateway

XML = """<?xml version="1.0"?>
<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel>
<item><g:id>TALL-1</g:id><g:title>Reading lamp</g:title><g:price>159.00 USD</g:price>
<g:availability>out of stock</g:availability></item>
<item><g:id>DESK-2</g:id><g:title>Desk lamp</g:title><g:price>free</g:price></item>
</channel></rss>
"""
TSV = "id\ttitle\tprice\nTALL-1\tReading lamp\t159.00 USD\nDESK-2\tDesk lamp\tfree\n"
CSV = TSV.replace("\t", ",")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/xml", XML),
        ("text/tab-separated-values; charset=utf-8", TSV),
        ("text/csv", CSV),
    ],
)
def test_a_feed_is_stored_like_other_items(
    running: RunningGateway, content_type: str, body: str
) -> None:
    answer = running.client.post(
        "/v1/items", content=body.encode(), headers={"Content-Type": content_type}
    )
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 1
    assert answer.json()["rejected"] == [
        {
            "index": 1,
            "field": "price",
            "reason": "price: found 'free', expected a price such as 15.00 USD",
        }
    ]
    (stored,) = running.log_records()
    assert isinstance(stored, Item)
    assert (stored.item_id, stored.title, stored.hidden) == ("TALL-1", "Reading lamp", False)
    assert stored.attributes["price"] == 159.0


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("text/xml", XML[:-20], "the feed can't be read: line 5: found what is not well-formed"),
        ("text/xml", "<!DOCTYPE rss><rss/>", "line 1: found a document type declaration"),
        ("text/xml", "<rss/>", "the feed has no product"),
        ("text/csv", "name\nx\n", "expected a header with at least the columns id and title"),
    ],
    ids=["cut", "doctype", "empty", "header"],
)
def test_a_bad_feed_is_refused_as_a_whole(
    shared_gateway: RunningGateway, content_type: str, body: str, reason: str
) -> None:
    answer = shared_gateway.client.post(
        "/v1/items", content=body.encode(), headers={"Content-Type": content_type}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "body"
    assert reason in answer.json()["error"]["reason"]
    assert shared_gateway.log_records() == ()
