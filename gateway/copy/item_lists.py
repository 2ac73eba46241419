"""Texts of lists that no user asks for: similar, popular, trending, new and found items.

A line says what an item is, or what it has in common with the item that the list is of. Popular,
trending, new and found items share their lines, so that each is written once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

from copywriter.brief import Brief, Language
from copywriter.list_briefs import CopyStyle, ListReason, item_brief, row_brief
from copywriter.ready_text import ReadyText
from gateway.bodies.copy import ItemCopy
from gateway.bodies.item_lists import (
    NewItem,
    PopularItemAnswer,
    SimilarItem,
    TrendingItem,
)
from gateway.bodies.search import FoundItem
from gateway.copy.described_items import DescribedItem
from gateway.copy.lists import CopySources, ready_or_template
from gateway.copy.reasons import is_hidden, newest_item

RowKind = Literal["similar", "popular", "trending", "new", "found"]
AnyListed = SimilarItem | PopularItemAnswer | TrendingItem | NewItem | FoundItem
Listed = TypeVar("Listed", bound=AnyListed)
# a brief has no word for items whose share grows, and none for what somebody typed, so no writer
# phrases these titles
_TITLES: Mapping[RowKind, Mapping[Language, str]] = {
    "trending": {"en": "Trending now", "zh": "正在升温"},
    "found": {"en": "Found for you", "zh": "为你找到"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRow:
    """What a list is: of which kind, and of which item if it is of one."""

    kind: RowKind
    item_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListWithTexts(Generic[Listed]):
    """Items with their texts, and the title of their list."""

    items: tuple[Listed, ...]
    row_title: ItemCopy | None = None


class ItemListTexts:
    """Adds texts to lists that no user asks for. For the event loop."""

    def __init__(self, sources: CopySources) -> None:
        self._sources = sources

    async def add(
        self, items: Sequence[Listed], row: ListedRow, language: Language | None
    ) -> ListWithTexts[Listed]:
        """Return the items with a text each, and a title; as they are without a language."""
        if language is None:
            return ListWithTexts(items=tuple(items))
        style = replace(self._sources.style, language=language)
        texts = await listed_texts(items, row, style, self._sources)
        lines = [ItemCopy(text=one.text, source=one.source) for one in texts]
        shown = [replace(item, copy=line) for item, line in zip(items, lines, strict=False)]
        title = lines[-1] if len(lines) > len(shown) else None
        return ListWithTexts(items=tuple(shown), row_title=title)


async def listed_texts(
    items: Sequence[AnyListed], row: ListedRow, style: CopyStyle, sources: CopySources
) -> Sequence[ReadyText]:
    """Return a text for each item, and after them the list's title if it has one."""
    known = await sources.items.find(ids_of_list(items, row))
    briefs = listed_briefs(items, row, style, known)
    texts = list(await ready_or_template(briefs, sources.ready))
    if sources.ready is not None:
        sources.ready.count_shown(texts)
    if row.kind in _TITLES and len(texts) == len(items):
        texts.append(ReadyText(text=_TITLES[row.kind][style.language], source="template"))
    return texts


def ids_of_list(items: Sequence[AnyListed], row: ListedRow) -> list[str]:
    """Return the ids of the items, and of the item that the list is of."""
    return [*(item.id for item in items), *([row.item_id] if row.item_id else [])]


def listed_briefs(
    items: Sequence[AnyListed],
    row: ListedRow,
    style: CopyStyle,
    known: Mapping[str, DescribedItem],
) -> Sequence[Brief]:
    """Return the brief of each item, and after them that of the title if it has one.

    `known` has the items of `ids_of_list`.
    """
    reason = ListReason()
    if row.item_id is not None and not is_hidden(row.item_id, known):
        reason = ListReason(nearest=[newest_item(row.item_id, None, known)])
    described = [newest_item(item.id, item.title, known) for item in items]
    briefs = [item_brief(one, reason, style) for one in described]
    if row.kind == "similar":
        briefs.append(row_brief(described, [reason] * len(described), style))
    elif row.kind == "found":
        title = row_brief(described, [reason] * len(described), style)
        briefs += [title] if title.reason is not None else []  # what most of the items are
    elif row.kind in ("popular", "new"):
        of_row = ListReason(is_popular=row.kind == "popular", is_new=row.kind == "new")
        briefs.append(row_brief([], [of_row], style))
    return briefs
