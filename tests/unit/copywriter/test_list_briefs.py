"""Briefs of lists: what a text may say of an item, and the one reason that it gives."""

from __future__ import annotations

from copywriter.brief import BriefAttribute, BriefFact, BriefItem, BriefReason, SharedFact
from copywriter.list_briefs import (
    CopyStyle,
    ListReason,
    audience_of,
    describe_item,
    item_brief,
    row_brief,
)

STYLE = CopyStyle()
SCI_FI = BriefAttribute(name="genre", values=("Sci-Fi",))
EMPIRE = describe_item("Empire", {"genre": ("Sci-Fi", "War"), "year": 1980.0})
STAR = describe_item("Star", {"genre": ("Sci-Fi", "Romance")})
ALIEN = describe_item("Alien", {"genre": ("Horror", "War")})


def test_an_item_is_described_by_what_its_readers_may_know() -> None:
    item = describe_item(
        "Empire",
        {"year": 1980.0, "genre": ("Sci-Fi",), "price": 9.99, "director": "Ann", "secret": "x"},
        [BriefFact(relation="actor", name="Lee"), BriefFact(relation="sku", name="8")],
        private=("director",),
    )
    assert item == BriefItem(
        title="Empire",
        attributes=(SCI_FI, BriefAttribute(name="year", values=(1980,))),
        facts=(BriefFact(relation="actor", name="Lee"),),
    )


def test_what_is_shared_is_shared_with_the_item_that_is_named() -> None:
    """The reason of a list counts values that any of three near items has; a text names one."""
    brief = item_brief(EMPIRE, ListReason(nearest=(STAR, ALIEN)), STYLE)
    assert brief.reason == BriefReason(nearest=("Star",), shared=(SCI_FI,))
    stranger = describe_item("Stranger", {})
    brief = item_brief(EMPIRE, ListReason(nearest=(stranger, ALIEN)), STYLE)
    assert brief.reason == BriefReason(nearest=("Stranger", "Alien"))


def test_a_fact_goes_before_what_is_near_or_popular() -> None:
    fact = SharedFact(title="Star", relation="director", name="Lee")
    everything = ListReason(nearest=(ALIEN,), facts=(fact,), is_popular=True)
    assert item_brief(EMPIRE, everything, STYLE).reason == BriefReason(
        nearest=("Star",), facts=(fact,)
    )
    near = ListReason(nearest=(ALIEN,), is_popular=True)
    reason = item_brief(EMPIRE, near, STYLE).reason
    assert reason is not None
    assert reason.popular_among is None
    popular = item_brief(EMPIRE, ListReason(is_popular=True), STYLE).reason
    assert popular == BriefReason(popular_among="everyone")
    assert item_brief(EMPIRE, ListReason(), STYLE).reason is None


def test_a_row_says_what_most_of_its_items_have_in_common() -> None:
    reasons = [ListReason(nearest=(STAR,)), ListReason(nearest=(STAR,)), ListReason()]
    brief = row_brief([EMPIRE, STAR, ALIEN], reasons, STYLE)
    war = BriefAttribute(name="genre", values=("Sci-Fi", "War"))
    assert brief.reason == BriefReason(nearest=("Star",), shared=(war,))
    assert row_brief([], [], STYLE).reason is None
    popular = row_brief([ALIEN, STAR], [ListReason(is_popular=True)] * 2, STYLE)
    assert popular.reason == BriefReason(popular_among="everyone")


def test_a_segment_is_addressed_by_what_all_items_have() -> None:
    fans = BriefAttribute(name="genre", values=("sci-fi", "Horror", "won eleven Oscars"))
    assert audience_of([EMPIRE, STAR], fans) == BriefAttribute(name="genre", values=("sci-fi",))
    assert audience_of([EMPIRE, ALIEN], fans) is None
    assert audience_of([EMPIRE], BriefAttribute(name="brand", values=("Sci-Fi",))) is None
    assert audience_of([EMPIRE], None) is None
