"""What a template may use of a brief: titles that can be quoted, genres, credits, reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from copywriter.brief import Brief, BriefAttribute, BriefItem, BriefReason, Language
from copywriter.wording.genres import display_genre
from copywriter.wording.quotable import is_quotable
from copywriter.wording.roles import RoleName, role_of
from copywriter.wording.titles import shown_title, year_of

MAX_LISTED = 3  # values in one sentence
MAX_VALUE_CHARS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemMaterial:
    """An item in words. `is_work` means a film, a book or a song, whose title stands in 《》."""

    title: str | None
    year: str | None
    genres: tuple[str, ...]
    directors: tuple[str, ...]
    cast: tuple[str, ...]
    brand: str | None
    is_work: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """A fact shared with an item of the history; `role` is None if it has no words of its own."""

    title: str
    role: RoleName | None
    name: str | None
    is_direct: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A brief in words: its items, and the reason for the first of them.

    `is_work` says whether it is about works, by its items or, without any, by the history.
    """

    items: tuple[ItemMaterial, ...]
    near: tuple[str, ...]
    shared: tuple[str, ...]
    ties: tuple[Tie, ...]
    audience: tuple[str, ...]
    is_work: bool
    is_popular: bool
    is_popular_in_audience: bool
    is_new: bool


def material_of(brief: Brief) -> Material:
    """Return what can be said, without names that cannot be quoted."""
    language, reason = brief.language, brief.reason or BriefReason()
    items = tuple(_item(one, language) for one in brief.items)
    has_dated = not items and any(year_of(one) is not None for one in reason.nearest)
    return Material(
        items=items,
        is_work=has_dated or any(item.is_work for item in items),
        near=tuple(shown_title(one) for one in reason.nearest if is_quotable(one)),
        shared=_texts(_parts(reason.shared, "genre"), _genre_in(language)),
        ties=_ties(reason),
        audience=_texts([brief.audience] if brief.audience else [], _genre_in(language)),
        is_popular=reason.popular_among == "everyone",
        is_popular_in_audience=reason.popular_among == "audience",
        is_new=reason.new,
    )


@lru_cache(maxsize=4096)  # the same items are recommended again and again
def _item(item: BriefItem, language: Language) -> ItemMaterial:
    is_named = item.title is not None and is_quotable(item.title)
    year = year_of(item.title) if item.title is not None and is_named else None
    years = _texts(_parts(item.attributes, "year"), _number)
    genres = _texts(_parts(item.attributes, "genre"), _genre_in(language))
    return ItemMaterial(
        title=shown_title(item.title) if item.title is not None and is_named else None,
        year=year or (years[0] if years else None),
        genres=genres,
        directors=_names_in_role(item, "director"),
        cast=_names_in_role(item, "cast"),
        brand=next(iter(_names_in_role(item, "brand")), None),
        is_work=year is not None or bool(genres) or bool(_names_in_role(item, "director")),
    )


def _names_in_role(item: BriefItem, role: RoleName) -> tuple[str, ...]:
    """Return the names of a role, from facts and attributes."""
    named = [one.name for one in item.facts if role_of(one.relation) == role]
    found = [one for one in named if is_quotable(one) and len(one) <= MAX_VALUE_CHARS]
    valued = _texts(_parts(item.attributes, role), str)
    return tuple(dict.fromkeys([*found, *valued]))[:MAX_LISTED]


def _ties(reason: BriefReason) -> tuple[Tie, ...]:
    found = []
    for fact in reason.facts:
        is_named = fact.name is not None and is_quotable(fact.name)
        if is_quotable(fact.title):
            found.append(
                Tie(
                    title=shown_title(fact.title),
                    role=role_of(fact.relation),
                    name=fact.name if is_named else None,
                    is_direct=fact.is_direct,
                )
            )
    return tuple(found)


def _parts(parts: Iterable[BriefAttribute], role: RoleName) -> list[BriefAttribute]:
    return [one for one in parts if role_of(one.name) == role]


def _texts(parts: Iterable[BriefAttribute], as_text: Callable[[str], str]) -> tuple[str, ...]:
    """Return the values of attributes as words, each once; numbers only for `_number`."""
    found: dict[str, None] = {}
    for part in parts:
        for value in part.values:
            text = value if isinstance(value, str) else _whole(value, is_wanted=as_text is _number)
            if text and len(text) <= MAX_VALUE_CHARS and is_quotable(text):
                found.setdefault(as_text(text))
    return tuple(found)[:MAX_LISTED]


def _whole(value: float, *, is_wanted: bool) -> str:
    return str(int(value)) if is_wanted and float(value).is_integer() else ""


def _number(text: str) -> str:
    return text if text.isascii() and text.isdigit() else ""


def _genre_in(language: Language) -> Callable[[str], str]:
    return lambda value: display_genre(value, language)
