"""`filter=NAME:VALUE` from the query to the matching items; texts may look like numbers."""

from __future__ import annotations

import pytest

from gateway.model.recommendations import parse_filter
from recommender.catalogue.attribute_index import Value
from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from recommender.requests.body import parse
from recommender.requests.wire import TopRequest

VALUES: dict[str, Value] = {
    "text": "90210",
    "zeros": "01234",
    "other": "1234",
    "list": ("90210", "1.50"),
    "number": 90210.0,
    "price": 1.5,
    "nothing": 0.0,
    "tiny": 0.00001,
}
CATALOGUE = Catalogue(
    CatalogueItem(item_id=name, attributes={"zip": value}) for name, value in VALUES.items()
)


def matching_ids(*filters: str) -> set[str]:
    """Return the ids of items that match the filters of a query."""
    request = parse({"user_seq": [], "k": 10, "filter": parse_filter(filters)})
    assert isinstance(request, TopRequest)
    allowed_N = CATALOGUE.filter_rows(request.filter)
    return {item.item_id for item, allowed in zip(CATALOGUE, allowed_N, strict=True) if allowed}


@pytest.mark.parametrize(
    ("filters", "items"),
    [
        (["zip:90210"], {"text", "list", "number"}),
        (["zip:90210.0"], {"text", "list", "number"}),
        (["zip:01234"], {"zeros"}),  # a code that differs from 1234
        (["zip:1234"], {"other"}),
        (["zip:1.50"], {"list", "price"}),
        (["zip:1.5"], {"price"}),
        (["zip:1.5", "zip:90210.00"], {"text", "list", "number", "price"}),
        (["zip:-0"], {"nothing"}),
        (["zip:0.000010"], {"tiny"}),
        (['{"zip": 90210}'], {"number"}),
        (['{"zip": "90210"}'], {"text", "list", "number"}),
    ],
)
def test_a_value_like_a_number_matches_texts_and_numbers(
    filters: list[str], items: set[str]
) -> None:
    assert matching_ids(*filters) == items
