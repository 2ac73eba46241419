"""Request bodies that hold items as a product feed: XML, TSV or CSV.

Products are read from the body one after the other, so a call takes the memory of its body and of
the items themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from gateway.content.record_bodies import MAX_CALL_RECORDS, Readable, Refused
from gateway.content.request_body import BadBody
from recommender.records.record_fields import InvalidRecord
from sources.feeds.product import FeedError, FeedProduct, hide_out_of_stock, item_of
from sources.feeds.table_products import table_products
from sources.feeds.xml_products import xml_products

_XML = """<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><item>
<g:id>lamp-1</g:id><g:title>Reading lamp</g:title><g:price>59.00 EUR</g:price>
</item></channel></rss>
"""
_TABLE = "id\ttitle\tprice\nlamp-1\tReading lamp\t59.00 EUR\n"
# an example of each content type
FEED_TYPES: Mapping[str, str] = {
    "application/atom+xml": _XML,
    "application/rss+xml": _XML,
    "application/xml": _XML,
    "text/xml": _XML,
    "text/csv": _TABLE.replace("\t", ","),
    "text/tab-separated-values": _TABLE,
}
_PIECE_BYTES = 1 << 16


def is_feed(content_type: str) -> bool:
    """Return whether a body of this content type is a product feed."""
    return _media_type(content_type) in FEED_TYPES


def feed_items(
    body: bytes | bytearray, content_type: str, *, hides_out_of_stock: bool
) -> Iterator[Readable | Refused]:
    """Yield the raw items of a feed; raise BadBody when it can't be read as a whole.

    BadBody may come after some items, and for more than MAX_CALL_RECORDS of them.
    """
    is_xml = _media_type(content_type).endswith("xml")
    products = (xml_products if is_xml else table_products)(_pieces(body))
    num_products = 0
    try:
        for product in products:
            num_products += 1
            if num_products > MAX_CALL_RECORDS:
                raise BadBody(
                    f"the feed has more than {MAX_CALL_RECORDS:,} products; send less in one call",
                    status=413,
                )
            yield _raw_item(product, hides_out_of_stock=hides_out_of_stock)
    except FeedError as error:
        raise BadBody(f"the feed can't be read: {error}") from error
    if num_products == 0:
        raise BadBody("the feed has no product; expected at least one")


def _raw_item(product: FeedProduct, *, hides_out_of_stock: bool) -> Readable | Refused:
    shown = json.dumps({"line": product.line, **product.fields}, ensure_ascii=False)
    try:
        record = item_of(product)
    except InvalidRecord as error:
        return Refused(raw=shown, why=error)
    return Readable(value=hide_out_of_stock(record) if hides_out_of_stock else record, raw=shown)


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _pieces(body: bytes | bytearray) -> Iterator[bytes]:
    for start in range(0, len(body), _PIECE_BYTES):
        yield bytes(body[start : start + _PIECE_BYTES])
