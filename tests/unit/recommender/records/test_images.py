"""Pictures in records: which names are accepted, and what becomes of bytes."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.records.events import Item, without_picture_bytes
from recommender.records.images import (
    MAX_IMAGES,
    MAX_INLINE_BYTES,
    MAX_SOURCE_CHARS,
    artifact_of,
    inline_bytes,
    is_web_image,
    named_images,
    read_images,
    web_images,
)
from recommender.records.record_fields import InvalidRecord

PNG = b"\x89PNG\r\n\x1a\n and the rest"
ITEM = Item(event_id="e", item_id="i", title="T", at=datetime(2026, 11, 25, tzinfo=UTC))


def inline(content: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def test_pictures_are_named_by_any_of_four_schemes() -> None:
    given_names = [
        "https://shop.example/a.jpg?size=2",
        "http://127.0.0.1:8099/b.png",
        "file:///srv/pictures/c.webp",
        inline(PNG),
        "artifact:pictures/2026/d.png",
    ]
    assert read_images(given_names) == tuple(given_names)
    assert read_images(None) == read_images([]) == ()


def test_a_picture_that_is_named_twice_counts_once() -> None:
    assert read_images(["https://a.example/1", "https://a.example/1"]) == ("https://a.example/1",)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "an https:// or http:// URL"),
        ("shop.example/a.jpg", "an https:// or http:// URL"),
        ("ftp://shop.example/a.jpg", "an https:// or http:// URL"),
        ("https:///a.jpg", "an https:// or http:// URL"),
        ("https://shop.example:no/a.jpg", "not a URL"),
        ("https://ann:secret@shop.example/a.jpg", "user name or a password"),
        ("https://shop.example/a b.jpg", "blanks"),
        ("https://shop.example/\n", "blanks"),
        ("https://shop.example/" + "x" * MAX_SOURCE_CHARS, "at most 2,000"),
        ("file://server/a.jpg", "absolute path"),
        ("file:a.jpg", "absolute path"),
        ("artifact:rec-17-abc.mar", "not the name of a picture"),
        ("artifact:pictures/../rec-17.mar", "not the name of a picture"),
        ("artifact:pictures/.hidden", "not the name of a picture"),
        ("data:text/html;base64,PGI+", "data:image/png;base64"),
        ("data:image/svg+xml;base64,PHN2Zz4=", "data:image/png;base64"),
        ("data:image/png;base64,@@", "broken base64"),
        (inline(b"<html>"), "bytes that are not a picture"),
        (inline(PNG + b"x" * MAX_INLINE_BYTES), "send its URL"),
        (None, "an https:// or http:// URL"),
        ({"url": "https://shop.example/a.jpg"}, "an https:// or http:// URL"),
    ],
)
def test_a_name_that_is_no_picture_is_refused(source: object, said: str) -> None:
    with pytest.raises(InvalidRecord) as refusal:
        read_images(["https://shop.example/ok.jpg", source])
    assert refusal.value.field == "images[1]"
    assert said in refusal.value.reason
    assert len(refusal.value.reason) < 400


def test_an_item_has_a_limited_number_of_pictures() -> None:
    many = [f"https://shop.example/{number}" for number in range(MAX_IMAGES + 1)]
    assert len(read_images(many[:-1])) == MAX_IMAGES
    with pytest.raises(InvalidRecord, match="17 pictures, expected at most 16"):
        read_images(many)


def test_bytes_become_a_name_that_depends_on_them_alone() -> None:
    named = named_images([inline(PNG), "https://a.example/1", inline(PNG, kind="webp")])
    assert len(named) == 2, "the same bytes are one picture, whatever their type is called"
    assert (artifact_of(named[0]) or "").startswith("pictures/sent/")
    assert named[1] == "https://a.example/1"
    assert read_images(list(named)) == named
    assert inline_bytes(named[0]) is None
    item = without_picture_bytes(replace(ITEM, images=(inline(PNG),)))
    assert item.images == named[:1]
    assert without_picture_bytes(item) is item


@given(st.text(max_size=60))
def test_web_pictures_are_those_that_a_record_may_have(text: str) -> None:
    if is_web_image(text):
        assert read_images([text]) == (text,)
    assert web_images([text, text]) == [text] * is_web_image(text)
