"""Briefs of the items of a list, from their records and from why the list has them.

The gateway makes briefs when it answers, and the worker when it writes texts ahead. Both use these
functions, so that a brief has the same digest in both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from copywriter.brief import (
    Brief,
    BriefAttribute,
    BriefFact,
    BriefItem,
    BriefReason,
    BriefValue,
    Kind,
    Language,
    SharedFact,
    Tone,
)
from copywriter.wording.roles import RoleName, role_of
from recommender.records.events import AttributeValue

MAX_VALUES = 5  # of an attribute
MAX_FACTS = 12  # of an item
# what a text says of an item; a price or a stock changes, and a text would outlive it
_STATED_ROLES: frozenset[RoleName | None] = frozenset(
    ("genre", "year", "brand", "artist", "director", "cast", "writer", "country")
)
_MOST = 0.6  # share of a list's items that a row's title speaks of


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyStyle:
    """How texts are to be written, and where they will be shown."""

    language: Language = "en"
    tone: Tone = "plain"
    max_chars: int = 120
    placement: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReason:
    """Why an item is in a list: items of the history, shared facts, popularity, novelty.

    `nearest` has the most similar first. All of it is as the recommender's reasons have it.
    """

    nearest: Sequence[BriefItem] = ()
    facts: Sequence[SharedFact] = ()
    is_popular: bool = False
    is_new: bool = False


def describe_item(
    title: str | None,
    attributes: Mapping[str, AttributeValue],
    facts: Sequence[BriefFact] = (),
    *,
    private: Collection[str] = (),
) -> BriefItem:
    """Return what a text may say of an item: no private attributes, and none without a role."""
    shown = [
        BriefAttribute(name=name, values=_values(attributes[name]))
        for name in sorted(attributes)
        if name not in private and role_of(name) in _STATED_ROLES
    ]
    stated = [fact for fact in facts if role_of(fact.relation) is not None]
    return BriefItem(
        title=title,
        attributes=tuple(part for part in shown if part.values),
        facts=tuple(sorted(stated, key=lambda fact: (fact.relation, fact.name))[:MAX_FACTS]),
    )


def item_brief(
    item: BriefItem, reason: ListReason, style: CopyStyle, *, kind: Kind = "reason_line"
) -> Brief:
    """Return the brief of one item: its strongest reason alone, so that readers share its text."""
    return Brief(
        kind=kind,
        items=(item,),
        reason=_strongest(item, reason),
        tone=style.tone,
        language=style.language,
        max_chars=style.max_chars,
        placement=style.placement,
    )


def row_brief(items: Sequence[BriefItem], reasons: Sequence[ListReason], style: CopyStyle) -> Brief:
    """Return the brief of a list's title: what most of its items have in common."""
    least = _MOST * len(items)
    nearest = Counter(one.nearest[0].title for one in reasons if one.nearest)
    near = next((title for title, num in nearest.most_common(1) if num >= least), None)
    reason = BriefReason(
        nearest=() if near is None else (near,),
        shared=_most_have(items, least),
        popular_among="everyone" if _num_popular(reasons) >= max(1, least) else None,
        new=sum(one.is_new and not one.nearest for one in reasons) >= max(1, least),
    )
    return Brief(
        kind="row_title",
        items=(),
        reason=None if reason == BriefReason() else reason,
        tone=style.tone,
        language=style.language,
        max_chars=style.max_chars,
        placement=style.placement,
    )


def audience_of(
    items: Sequence[BriefItem], audience: BriefAttribute | None
) -> BriefAttribute | None:
    """Return a segment by those of its values that all items have; None without any.

    A text would recommend a drama to fans of sci-fi otherwise.
    """
    if audience is None:
        return None
    common = [
        one for one in audience.values if all(_has(item, audience.name, one) for item in items)
    ]
    return BriefAttribute(name=audience.name, values=tuple(common)) if common else None


def _has(item: BriefItem, name: str, value: BriefValue) -> bool:
    values = [one for part in item.attributes if part.name == name for one in part.values]
    return str(value).casefold() in (str(one).casefold() for one in values)


def _strongest(item: BriefItem, reason: ListReason) -> BriefReason | None:
    """Return a fact shared with the history, or what is near, or that it is popular or new."""
    for fact in reason.facts[:1]:
        return BriefReason(nearest=(fact.title,), facts=(fact,))
    near = [one for one in reason.nearest if one.title is not None]
    if near:
        shared = _shared_values(item, near[0])
        titles = [one.title for one in (near[:1] if shared else near[:2])]
        return BriefReason(nearest=tuple(one for one in titles if one is not None), shared=shared)
    if not (reason.is_popular or reason.is_new):
        return None
    return BriefReason(popular_among="everyone" if reason.is_popular else None, new=reason.is_new)


def _shared_values(item: BriefItem, other: BriefItem) -> tuple[BriefAttribute, ...]:
    """Return the genres of an item that the other one has too."""
    theirs = {one.name: one.values for one in other.attributes}
    found = []
    for part in item.attributes:
        common = tuple(one for one in part.values if one in theirs.get(part.name, ()))
        if common and role_of(part.name) == "genre":
            found.append(BriefAttribute(name=part.name, values=common))
    return tuple(found)


def _most_have(items: Sequence[BriefItem], least: float) -> tuple[BriefAttribute, ...]:
    """Return the genres that at least so many of the items have, the most frequent first."""
    found: dict[str, list[str]] = {}
    counted = Counter(
        (part.name, str(value))
        for item in items
        for part in item.attributes
        for value in part.values
        if role_of(part.name) == "genre"
    )
    for (name, value), num in counted.most_common():
        if num >= least:
            found.setdefault(name, []).append(value)
    return tuple(BriefAttribute(name=name, values=tuple(found[name])) for name in found)


def _num_popular(reasons: Sequence[ListReason]) -> int:
    return sum(one.is_popular and not one.nearest for one in reasons)


def _values(value: AttributeValue) -> tuple[str | int | float, ...]:
    """Return the first values of an attribute; a whole number has no fraction."""
    values = value if isinstance(value, tuple) else (value,)
    return tuple(map(_plain, values[:MAX_VALUES]))


def _plain(value: str | float) -> str | int | float:
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value
