"""Merging fields into an item record, as RFC 7396 says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.intake.item_changes import merge_into
from recommender.records.events import AttributeValue
from recommender.records.record_fields import InvalidRecord
from tests.contracts.records import item

BEFORE = item(1, "a", attributes={"genre": ("War", "Drama"), "year": 1995.0, "maker": "Acme"})
LATER = BEFORE.at + timedelta(days=1)


@pytest.mark.parametrize(
    ("change", "attributes"),
    [
        ({}, BEFORE.attributes),
        ({"attributes": {}}, BEFORE.attributes),
        ({"attributes": None}, {}),
        ({"attributes": {"genre": None, "nothing": None}}, {"year": 1995.0, "maker": "Acme"}),
        ({"attributes": {"genre": ["War"]}}, {**BEFORE.attributes, "genre": ("War",)}),
        ({"attributes": {"": 2}}, {**BEFORE.attributes, "": 2.0}),
    ],
)
def test_attributes_are_merged(
    change: dict[str, object], attributes: dict[str, AttributeValue]
) -> None:
    after = merge_into(BEFORE, change, at=LATER, event_id="e")
    assert after.attributes == attributes
    assert (after.item_id, after.title, after.at, after.event_id) == ("a", "Item a", LATER, "e")


def test_what_is_merged_must_be_a_valid_record() -> None:
    with pytest.raises(InvalidRecord, match=r"attributes\.genre: found"):
        merge_into(BEFORE, {"attributes": {"genre": {"main": "War"}}}, at=LATER, event_id="e")
