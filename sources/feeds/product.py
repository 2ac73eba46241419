"""What a product of a feed becomes: an item, with its fields as documented attributes.

Fields have the names of Google's product data specification, or those of our items.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from recommender.records.images import web_images
from recommender.records.record_fields import InvalidRecord

RawRecord = dict[str, object]
MAX_PRODUCT_CHARS = 256 * 1024  # as much as the largest item

# By field of an item: the names that it may have in a feed, the first that is there counts.
ITEM_FIELDS: Mapping[str, Sequence[str]] = {
    "item_id": ("id", "item_id"),
    "title": ("title", "structured_title"),
    "text": ("description", "structured_description", "text"),
}
_OF_ITEM = frozenset(name for names in ITEM_FIELDS.values() for name in names) | {"hidden"}
_PRICES = ("price", "sale_price", "cost_of_goods_sold", "maximum_retail_price")
# attributes that are always lists; one cell of a table holds their values separated by commas
_LISTS = (
    "additional_image_link",
    "excluded_destination",
    "included_destination",
    "lifestyle_image_link",
    "product_highlight",
    "promotion_id",
    "shopping_ads_excluded_country",
)
# attributes that are lists, whose values may have commas
_UNSPLIT_LISTS = ("product_detail", "product_type", "shipping")
_IMAGES = ("image_link", "additional_image_link")  # the main picture first
_PRICE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]{3})?")
_HIDDEN = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_OUT_OF_STOCK = "out_of_stock"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedProduct:
    """One product of a feed: its first line, and the values of each field in their order.

    A `problem` says what is wrong with all of it, and what was expected.
    """

    line: int
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    problem: tuple[str, str] | None = None


class FeedError(ValueError):
    """A feed can't be read on: in which line, what was found, what was expected."""

    def __init__(self, *, line: int, found: str, expected: str) -> None:
        self.line, self.found, self.expected = line, found, expected
        super().__init__(f"line {line}: found {found}, expected {expected}")


def field_name(name: str) -> str:
    """Return a field's name as the specification writes it: `image link` is `image_link`.

    Names of groups lose their parts: `shipping(country:price)` is `shipping`.
    """
    return "_".join(name.partition("(")[0].lower().split())


def split_cell(name: str, cell: str) -> Sequence[str]:
    """Return the values of a table's cell: several ones in a list's, none in an empty one."""
    if name not in _LISTS or ("," not in cell and '"' not in cell):
        return (cell,) if cell else ()
    # a line break would end the row
    row = csv.reader([" ".join(cell.splitlines())], skipinitialspace=True)
    values = (value.strip() for value in next(row))
    return tuple(value for value in values if value)


def item_of(product: FeedProduct) -> RawRecord:
    """Return the raw item of a product; raise InvalidRecord with the feed's name of the field.

    Whether it is a valid item, `recommender.records.events` decides.
    """
    if product.problem is not None:
        found, expected = product.problem
        raise InvalidRecord("record", problem=found, expected=expected)
    record: RawRecord = {name: _item_field(product, name) for name in ITEM_FIELDS}
    hidden = _first(product.fields.get("hidden", ()))
    if hidden and hidden.lower() not in _HIDDEN:
        raise InvalidRecord("hidden", found=hidden, expected="true or false")
    record["hidden"] = _HIDDEN.get(hidden.lower(), False)
    record["attributes"] = _attributes(product.fields)
    record["images"] = web_images([one for name in _IMAGES for one in product.fields.get(name, ())])
    return record


def hide_out_of_stock(record: Mapping[str, object]) -> Mapping[str, object]:
    """Return the record, hidden if its availability is `out_of_stock`."""
    attributes = record.get("attributes")
    if isinstance(attributes, Mapping) and attributes.get("availability") == _OUT_OF_STOCK:
        return {**record, "hidden": True}
    return record


def _item_field(product: FeedProduct, name: str) -> str | None:
    """Return the first value of an item's field.

    A structured one, `trained_algorithmic_media:"A title"`, is the text after the colon.
    """
    for theirs in ITEM_FIELDS[name]:
        value = _first(product.fields.get(theirs, ()))
        if value:
            is_structured = theirs.startswith("structured_")
            return value.partition(":")[2].strip('" ') if is_structured else value
    return None


def _attributes(fields: Mapping[str, Sequence[str]]) -> RawRecord:
    attributes: RawRecord = {}
    for name, values in fields.items():
        if name in _OF_ITEM or not values:
            continue
        if name in _PRICES:
            _add_price(attributes, name, values[0])
        elif name == "availability":
            attributes[name] = field_name(values[0])
        elif len(values) > 1 or name in _LISTS or name in _UNSPLIT_LISTS:
            attributes[name] = list(values)
        else:
            attributes[name] = values[0]
    return attributes


def _add_price(attributes: RawRecord, name: str, value: str) -> None:
    """Add a price as a number, and the currency that all prices of a product share."""
    found = _PRICE.fullmatch(value)
    if found is None:
        raise InvalidRecord(name, found=value, expected="a price such as 15.00 USD")
    attributes[name] = float(found[1])
    if found[2] is not None:
        currency = found[2].upper()
        if attributes.setdefault("currency", currency) != currency:
            expected = f"a price in {attributes['currency']}, as the product's other prices"
            raise InvalidRecord(name, found=value, expected=expected)


def _first(values: Sequence[str]) -> str:
    return values[0] if values else ""
