"""Product feeds in XML, TSV and CSV, and JSON lines of items."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recommender.records.events import Item, parse_item
from recommender.records.record_fields import InvalidRecord
from sources.feeds.product import (
    MAX_PRODUCT_CHARS,
    FeedError,
    FeedProduct,
    hide_out_of_stock,
    item_of,
)
from sources.feeds.table_products import table_products
from sources.feeds.xml_products import xml_products
from sources.formats import open_source
from sources.source import Source, SourceError

NOW = datetime(2026, 11, 29, tzinfo=UTC)
GOOGLE = 'xmlns:g="http://base.google.com/ns/1.0"'
RSS = f"""<?xml version="1.0"?>
<rss {GOOGLE} version="2.0">
<channel>
  <title>Mill Street Lamps</title>
  <link>https://lamps.example</link>
  <description>Everything that the shop has.</description>
  <item>
    <g:id>TALL-1</g:id>
    <g:title>Reading lamp &amp; shade</g:title>
    <g:description><![CDATA[Bends at the <b>neck</b>.]]></g:description>
    <g:link>https://lamps.example/tall-1?a=1&amp;b=2</g:link>
    <g:image_link>https://lamps.example/tall-1.jpg</g:image_link>
    <g:additional_image_link>https://lamps.example/tall-1-left.jpg</g:additional_image_link>
    <g:additional_image_link>https://lamps.example/tall-1-right.jpg</g:additional_image_link>
    <g:condition>used</g:condition>
    <g:availability>out of stock</g:availability>
    <g:price>159.00 USD</g:price>
    <g:sale_price>99.5 usd</g:sale_price>
    <g:shipping>
      <g:country>US</g:country>
      <g:service>Standard</g:service>
      <g:price>14.95 USD</g:price>
    </g:shipping>
    <g:brand>Mill</g:brand>
    <g:google_product_category>Home &gt; Lighting</g:google_product_category>
    <g:product_type>Lamps &gt; Tall</g:product_type>
    <g:item_group_id>TALL</g:item_group_id>
    <guid>not-a-field</guid>
  </item>
  <item>
    <title>Desk lamp</title>
    <link>https://lamps.example/desk</link>
    <description>Stands on a desk.</description>
    <g:id>DESK-2</g:id>
    <g:price>15.00</g:price>
  </item>
</channel>
</rss>
"""
ATOM = f"""<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" {GOOGLE}>
  <title>Mill Street Lamps</title>
  <link rel="self" href="https://lamps.example"/>
  <updated>2026-11-20T18:30:02Z</updated>
  <entry>
    <id>urn:lamps:1</id>
    <g:id>TALL-1</g:id>
    <title>Reading lamp</title>
    <link rel="self" href="https://lamps.example/feed/1"/>
    <link href="https://lamps.example/tall-1"/>
    <summary>Bends at the neck.</summary>
    <updated>2026-11-20T18:30:02Z</updated>
    <g:price>159.00 USD</g:price>
  </entry>
</feed>
"""
TSV = (
    "id\ttitle\tdescription\tprice\tavailability\tadditional image link\tshipping(country:price)\n"
    "TALL-1\tReading lamp\tBends.\t159.00 USD\tin stock\t"
    "https://lamps.example/a.jpg,https://lamps.example/b.jpg\tUS:14.95 USD\n"
    "\n"
    'DESK-2\t"Desk lamp,\n19"" tall"\tStands.\t15.00 USD\n'
)


def blocks_of(text: str, size: int = 7) -> Iterator[bytes]:
    """Cut a text into blocks that end anywhere."""
    content = text.encode()
    for start in range(0, len(content), size):
        yield content[start : start + size]


def item(product: FeedProduct) -> Item:
    return parse_item(item_of(product), now=NOW, new_id=lambda: "e")


def test_an_rss_feed_becomes_items() -> None:
    tall, desk = xml_products(blocks_of(RSS))
    found = item(tall)
    assert (tall.line, desk.line) == (7, 30)
    assert (found.item_id, found.title) == ("TALL-1", "Reading lamp & shade")
    assert (found.text, found.hidden) == ("Bends at the <b>neck</b>.", False)
    assert found.attributes == {
        "link": "https://lamps.example/tall-1?a=1&b=2",
        "image_link": "https://lamps.example/tall-1.jpg",
        "additional_image_link": (
            "https://lamps.example/tall-1-left.jpg",
            "https://lamps.example/tall-1-right.jpg",
        ),
        "condition": "used",
        "availability": "out_of_stock",
        "price": 159.0,
        "sale_price": 99.5,
        "currency": "USD",
        "shipping": ("US:Standard:14.95 USD",),
        "brand": "Mill",
        "google_product_category": "Home > Lighting",
        "product_type": ("Lamps > Tall",),
        "item_group_id": "TALL",
    }
    assert found.images == (
        "https://lamps.example/tall-1.jpg",
        "https://lamps.example/tall-1-left.jpg",
        "https://lamps.example/tall-1-right.jpg",
    )
    assert (item(desk).title, item(desk).attributes) == (
        "Desk lamp",
        {"link": "https://lamps.example/desk", "price": 15.0},
    )


def test_an_atom_feed_becomes_items() -> None:
    (only,) = map(item, xml_products(blocks_of(ATOM)))
    assert (only.item_id, only.title, only.text) == ("TALL-1", "Reading lamp", "Bends at the neck.")
    assert only.attributes == {
        "link": "https://lamps.example/tall-1",
        "price": 159.0,
        "currency": "USD",
    }


def test_a_tsv_feed_becomes_items() -> None:
    tall, desk = table_products(blocks_of(TSV))
    assert (tall.line, desk.line) == (2, 4)
    assert item(tall).attributes == {
        "price": 159.0,
        "currency": "USD",
        "availability": "in_stock",
        "additional_image_link": ("https://lamps.example/a.jpg", "https://lamps.example/b.jpg"),
        "shipping": ("US:14.95 USD",),
    }
    assert item(desk).title == 'Desk lamp,\n19" tall'


def test_a_table_of_our_items_has_any_attributes() -> None:
    text = "item_id;title;text;hidden;colour\n7;Lamp;Bends.;true;red\n8;Desk;;;\n"
    first, second = map(item, table_products([text.encode()]))
    assert (first.item_id, first.text, first.hidden) == ("7", "Bends.", True)
    assert (first.attributes, second.attributes) == ({"colour": "red"}, {})
    assert (second.text, second.hidden) == (None, False)


def test_out_of_stock_hides_an_item_on_demand() -> None:
    tall, desk = map(item_of, xml_products([RSS.encode()]))
    assert [hide_out_of_stock(one)["hidden"] for one in (tall, desk)] == [True, False]


def test_a_structured_title_is_its_text() -> None:
    fields = {"id": ["1"], "structured_title": ['trained_algorithmic_media:"A lamp: tall"']}
    assert item(FeedProduct(line=1, fields=fields)).title == "A lamp: tall"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"price": ["15 dollars"]}, "price: found '15 dollars', expected a price such as"),
        ({"price": ["1,000.00 USD"]}, "price: found '1,000.00 USD'"),
        (
            {"price": ["2 USD"], "sale_price": ["1 EUR"]},
            "sale_price: found '1 EUR', expected a price in USD",
        ),
        ({"hidden": ["perhaps"]}, "hidden: found 'perhaps', expected true or false"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, list[str]], reason: str) -> None:
    with pytest.raises(InvalidRecord) as caught:
        item_of(FeedProduct(line=1, fields={"id": ["1"], "title": ["x"], **fields}))
    assert caught.value.reason.startswith(reason)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '<?xml version="1.0"?>\n<!DOCTYPE rss [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n'
            "<rss><item><id>&b;</id></item></rss>",
            "line 2: found a document type declaration",
        ),
        (
            '<!DOCTYPE rss SYSTEM "file:///etc/passwd"><rss/>',
            "line 1: found a document type declaration",
        ),
        ("<rss><item><id>&x;</id></item></rss>", "line 1: found what is not well-formed XML"),
        (RSS[:-20], "line 36: found what is not well-formed XML"),
        ("<html><body/></html>", "line 1: found the element 'html', expected rss or feed"),
        ("<rss>" + "<a>" * 100, "line 1: found over 64 elements inside each other"),
    ],
    ids=["entities", "external", "unknown entity", "cut", "page", "deep"],
)
def test_unsafe_and_broken_xml_is_refused(text: str, message: str) -> None:
    with pytest.raises(FeedError) as caught:
        list(xml_products(blocks_of(text, 1000)))
    assert str(caught.value).startswith(message)


def test_a_huge_product_is_refused_alone() -> None:
    words = f"<description>{'x' * (MAX_PRODUCT_CHARS + 1)}</description>"
    text = f"<rss><item><id>1</id>{words}</item><item><id>2</id><title>t</title></item></rss>"
    first, second = xml_products(blocks_of(text, 1000))
    with pytest.raises(InvalidRecord, match="record: found over 262,144 characters"):
        item_of(first)
    assert item(second).item_id == "2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\tname\n1\tx\n", "line 1: found 'id\\\\tname', expected a header with"),
        (
            'id\ttitle\n1\tx\n2\t"' + ("y" * 1_000 + "\n") * 1_100,
            "line 3: found a row that can't be read",
        ),
        ("id\ttitle\n1\t" + "y" * (1 << 21), "line 2: found a line of over 1 MiB"),
        ('id\ttitle\n1\tx\n2\t"Alien\n3\ty\n4\t"z"\n', "line 3: found a row that can't be read"),
        ('id,title\n1,x\n2,"Alien\n3,y\n', "line 3: found a row that can't be read"),
        ('id,title\n1,x\n2,"Alien\n3,TV 19"\n4,y\n', "line 3: found a row .* join whole rows"),
    ],
    ids=["header", "quote", "line", "swallowing", "to the end", "joining"],
)
def test_a_broken_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(FeedError, match=message):
        list(table_products(blocks_of(text, 1 << 16)))


def test_quotes_and_returns_inside_a_line_are_text() -> None:
    """They would refuse the whole feed, or end the row."""
    tabs = 'id\ttitle\n1\t"Best" lamp\n2\t19" TV\n3\tA\rB\n'
    assert [one.fields["title"] for one in table_products([tabs.encode()])] == [
        ('"Best" lamp',),
        ('19" TV',),
        ("A B",),
    ]
    commas = 'id,title\r\n1,"Best" lamp\r\n2,"A\r\nB"\r\n'
    best, lines = table_products([commas.encode()])
    assert (best.fields["title"], lines.fields["title"]) == (("Best lamp",), ("A\nB",))


@pytest.mark.parametrize("encoding", ["gbk", "nonsense"])
def test_an_unknown_encoding_of_xml_is_refused(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><rss></rss>'
    with pytest.raises(FeedError, match="line 1: found an encoding that can't be read"):
        list(xml_products([text.encode()]))


def write(path: Path, content: str) -> Path:
    packed = content.encode()
    path.write_bytes(gzip.compress(packed) if path.suffix == ".gz" else packed)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def ids(source: Source) -> list[object]:
    return [record["item_id"] for record in source.items]


JSON_LINES = "".join(
    json.dumps({"item_id": name, "title": name, "event_id": "mine"}) + "\n" for name in "ab"
)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("feed.xml", RSS, ["TALL-1", "DESK-2"]),
        ("feed.xml.gz", ATOM, ["TALL-1"]),
        ("feed.txt", TSV, ["TALL-1", "DESK-2"]),
        ("items.csv", "id,title\n1,x\n", ["1"]),
        ("items.jsonl", JSON_LINES, ["a", "b"]),
    ],
)
def test_files_of_items_are_recognised(
    tmp_path: Path, name: str, content: str, expected: list[str]
) -> None:
    source = open_source(write(tmp_path / name, content))
    assert ids(source) == ids(source) == expected
    assert (source.num_items, len(source.events), source.rejects) == (len(expected), 0, ())


def test_items_of_a_file_are_as_old_as_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "feed.xml", RSS)
    first = list(open_source(path).items)
    assert {record["at"] for record in first} == {1_700_000_000}
    assert list(open_source(path).items) == first, "the same file has the same ids"
    event_ids = [str(record["event_id"]) for record in first]
    assert event_ids == sorted(event_ids), "the later one of an item counts"
    os.utime(path, (1_800_000_000, 1_800_000_000))
    assert {record["event_id"] for record in open_source(path).items}.isdisjoint(event_ids)


def test_an_item_whose_time_is_null_is_as_old_as_the_file(tmp_path: Path) -> None:
    own, null = ({"item_id": one, "title": one, "at": at} for one, at in (("a", 5), ("b", None)))
    path = write(tmp_path / "items.jsonl", f"{json.dumps(own)}\n{json.dumps(null)}\n")
    assert [record["at"] for record in open_source(path).items] == [5, 1_700_000_000]


def test_bad_rows_of_a_file_are_rejects(tmp_path: Path) -> None:
    text = "id,title,price\n1,x,free\n2,y,3 USD\n3,z,4 USD,more\n"
    source = open_source(write(tmp_path / "feed.csv", text))
    assert ids(source) == ["2"]
    rejected = [(reject.line, reject.reason) for reject in source.rejects]
    assert rejected == [
        (2, "price: expected a price such as 15.00 USD"),
        (4, "record: expected at most 3, as in the header"),
    ]
    shown = [json.loads(raw) for _, raw in source.read_rejects(source.rejects)]
    assert shown == [
        {"id": ["1"], "title": ["x"], "price": ["free"]},
        {"row": ["3", "z", "4 USD", "more"]},
    ]


def test_a_broken_feed_names_file_and_line(tmp_path: Path) -> None:
    path = write(tmp_path / "feed.xml", RSS.replace("</g:brand>", ""))
    with pytest.raises(SourceError, match=r"feed\.xml, line \d+: found what is not well-formed"):
        open_source(path)
    with pytest.raises(SourceError, match="expected at least one good item"):
        open_source(write(tmp_path / "empty.csv", "id,title\n"))
