"""The panel on which all writers are judged: briefs about invented films."""

from __future__ import annotations

from collections.abc import Sequence

from copywriter.brief import (
    Brief,
    BriefAttribute,
    BriefFact,
    BriefItem,
    BriefReason,
    Kind,
    Language,
    SharedFact,
)

# title, genres, director, actor, a film of the same director
_FILMS = (
    ("Marble Coast", ("Drama",), "Ivo Tanner", "Lena Marsh", "Grey Morning"),
    ("The Ninth Signal", ("Sci-Fi", "Thriller"), "Ruth Calloway", "Omar Finch", "Static"),
    ("Paper Lions", ("Comedy",), "Desmond Ware", "Alice Brandt", "Two Left Shoes"),
    ("Harbour Lights", ("Romance", "Drama"), "Marta Oliveira", "Jon Keller", "A Late Train"),
    ("Copper Sky", ("Western",), "Hal Whitmore", "Rosa Quint", "Dust Road"),
    ("Midnight Ledger", ("Crime", "Thriller"), "Nora Pell", "Victor Hale", "The Clerk"),
    ("Little Comet", ("Animation", "Children"), "Yuki Arai", "Tess Lowell", "Cloud Kitchen"),
    ("Fourth Regiment", ("War", "Drama"), "Paul Steiner", "Igor Vance", "Winter Post"),
)
_KINDS: tuple[Kind, ...] = ("reason_line", "item_blurb", "newsletter")


def panel(languages: Sequence[Language], *, max_chars: int) -> tuple[Brief, ...]:
    """Return briefs of the kinds that name items, with every form of reason, in each language."""
    return tuple(
        brief
        for language in languages
        for number in range(len(_FILMS))
        for brief in _briefs(number, language, max_chars)
    )


def _briefs(number: int, language: Language, max_chars: int) -> list[Brief]:
    """Return a line for each reason about one film, and a text of another kind."""
    _, genres, director, _, other = _FILMS[number]
    item = _item(number)
    shared = SharedFact(title=other, relation="director", name=director)
    reasons = (
        BriefReason(nearest=(other,), facts=(shared,)),
        BriefReason(nearest=(other,), shared=(BriefAttribute(name="genre", values=genres),)),
        BriefReason(popular_among="everyone"),
    )
    lines = [
        Brief(kind="reason_line", items=(item,), reason=one, language=language, max_chars=max_chars)
        for one in reasons
    ]
    kind = _KINDS[1 + number % 2]
    items = (item, _item((number + 1) % len(_FILMS))) if kind == "newsletter" else (item,)
    more = Brief(kind=kind, items=items, language=language, max_chars=3 * max_chars)
    return [*lines, more]


def _item(number: int) -> BriefItem:
    title, genres, director, actor, _ = _FILMS[number]
    return BriefItem(
        title=title,
        attributes=(BriefAttribute(name="genre", values=genres),),
        facts=(
            BriefFact(relation="director", name=director),
            BriefFact(relation="cast", name=actor),
        ),
    )
