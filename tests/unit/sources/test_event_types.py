"""Which words of a file are our types of events."""

from __future__ import annotations

import pytest

from sources.cells.event_types import TypeNames, similar_type

NAMES = TypeNames("type", {})


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("Page View", "view"),
        ("page-view", "view"),
        ("pageView", "view"),
        ("add to cart", "add_to_cart"),
        ("addto_cart", "add_to_cart"),
        ("thumbs.up", "like"),
        (" purchase ", "purchase"),
        ("purchas e", "purchas e"),
        ("vi ew", "vi ew"),
        ("ad dtocart", "ad dtocart"),
        ("share", "share"),
    ],
)
def test_words_may_be_parted_only_where_they_are_joined(cell: str, expected: str) -> None:
    assert NAMES.name_of(cell) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("purchas e", "purchase"),
        ("purchse", "purchase"),
        ("vi ew", "view"),
        ("clik", "click"),
        ("unfavorite", None),
        ("downvote", None),
        ("share", None),
        ("click", None),
        ("…", None),
    ],
)
def test_a_misspelt_type_names_the_one_that_is_meant(name: str, expected: str | None) -> None:
    assert similar_type(name) == expected
