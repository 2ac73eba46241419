"""Texts to tune on that are made of wordings and invented items.

The wordings of a language are a file that an editor can change (`wordings/zh.toml`). A model that
is tuned on them learns to phrase any brief in that language. A text that the verifier rejects is
made again with another item.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal

import msgspec

from copywriter.brief import (
    Brief,
    BriefAttribute,
    BriefReason,
    Kind,
    Language,
    SharedFact,
)
from copywriter.tuning.accepted_texts import AcceptedText
from copywriter.tuning.invented import InventedItem, invent_item, invent_person
from copywriter.verifier.check import check
from copywriter.wording.genres import display_genre
from copywriter.writing.writer import WriterError

SHIPPED_WORDINGS = Path(__file__).with_name("wordings")
Reason = Literal[
    "shared", "near", "director", "cast", "writer", "popular", "new", "none", "audience"
]
Wordings = Mapping[Kind, Mapping[Reason, tuple[str, ...]]]
# how many of a hundred texts, about as lists have them; a line is what is shown most
_SHARES: Sequence[tuple[Kind, Reason, int]] = (
    ("reason_line", "shared", 32),
    ("reason_line", "near", 14),
    ("reason_line", "director", 12),
    ("reason_line", "cast", 8),
    ("reason_line", "writer", 6),
    ("reason_line", "popular", 7),
    ("reason_line", "new", 4),
    ("reason_line", "none", 3),
    ("item_blurb", "none", 6),
    ("item_blurb", "audience", 3),
    ("newsletter", "none", 7),
    ("newsletter", "near", 3),
    ("row_title", "near", 1),
    ("row_title", "shared", 1),
    ("row_title", "popular", 1),
    ("row_title", "new", 1),
)
_JOINS: Mapping[Language, str] = {"en": " and ", "zh": "、"}
_MAX_CHARS: Mapping[Kind, int] = {"item_blurb": 360, "newsletter": 360}
_LINE_CHARS = 120
_FILMS_IN_ENGLISH = frozenset(  # genres that are names of films too
    ("comedy", "documentary", "drama", "musical", "mystery", "romance", "thriller", "western")
)
_TRIES = 20  # of a text, until the verifier accepts one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Story:
    """What a text is about: an item, another one beside it, one that was liked, and the reason."""

    item: InventedItem
    second: InventedItem
    near: InventedItem
    person: str
    shared: tuple[str, ...]


def load_wordings(language: Language, folder: Path = SHIPPED_WORDINGS) -> Wordings:
    """Read the wordings of a language; raise WriterError."""
    path = folder / f"{language}.toml"
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
        found: Wordings = msgspec.convert(read, Wordings)
    except (OSError, ValueError) as error:
        shipped = SHIPPED_WORDINGS / f"{language}.toml"
        raise WriterError(
            f"{path}: can't be read as wordings ({error}); {shipped} shows the format"
        ) from error
    return found


def make_texts(
    languages: Sequence[Language], *, each: int, seed: int, folder: Path = SHIPPED_WORDINGS
) -> list[AcceptedText]:
    """Return `each` texts in each language, the same for the same seed; raise WriterError."""
    draw = Random(seed)
    found: list[AcceptedText] = []
    for language in languages:
        wordings = load_wordings(language, folder)
        for kind, reason in _drawn_forms(wordings, each, draw):
            found.append(_make_text(language, kind, reason, wordings[kind][reason], draw))
    return found


def _drawn_forms(wordings: Wordings, each: int, draw: Random) -> list[tuple[Kind, Reason]]:
    """Return kinds with reasons in their shares, of those that have wordings."""
    known = [one for one in _SHARES if wordings.get(one[0], {}).get(one[1])]
    if not known:
        raise WriterError("the wordings have none of a kind and reason that texts are made of")
    forms = [(kind, reason) for kind, reason, _ in known]
    return draw.choices(forms, [share for *_, share in known], k=each)


def _make_text(
    language: Language, kind: Kind, reason: Reason, texts: Sequence[str], draw: Random
) -> AcceptedText:
    """Return a text of a wording that the verifier accepts; raise WriterError if none is."""
    wording = ""
    for _ in range(_TRIES):
        wording, story = draw.choice(texts), _story(reason, draw)
        brief = _brief(kind, language, reason, story, draw)
        try:
            text = wording.format(**_slots(story, language))
        except (KeyError, IndexError, ValueError) as error:
            raise WriterError(f"wording {wording!r}: no such slot ({error})") from error
        text = text[:1].upper() + text[1:]
        if check(text, brief).is_accepted:
            return AcceptedText(brief=brief, text=text)
    raise WriterError(
        f"wordings of {kind}.{reason}: the verifier rejects what they say, such as {wording!r}; "
        "a text may say what its brief has, in the words of copywriter/wording"
    )


def _story(reason: Reason, draw: Random) -> _Story:
    item, second, near = invent_item(draw), invent_item(draw), invent_item(draw)
    if reason == "shared":
        shared = tuple(draw.sample(item.genres, draw.randint(1, min(2, len(item.genres)))))
        both = tuple(sorted({*shared, *near.genres[: draw.randint(0, 1)]}))
        near = replace(near, genres=both)
    person = invent_person(draw)
    if reason == "director":
        item = replace(item, director=person)
    if reason == "cast":
        item = replace(item, actor=person)
    shared = tuple(one for one in item.genres if one in near.genres)
    return _Story(item=item, second=second, near=near, person=person, shared=shared)


def _brief(kind: Kind, language: Language, reason: Reason, story: _Story, draw: Random) -> Brief:
    says_people = kind in ("item_blurb", "newsletter")
    described = (story.item, story.second) if kind == "newsletter" else (story.item,)
    items = [one.brief_item(has_people=says_people or draw.random() < 0.3) for one in described]
    return Brief(
        kind=kind,
        items=() if kind == "row_title" else tuple(items),
        reason=_reason(reason, story),
        audience=_genre(story.item.genres[:1]) if reason == "audience" else None,
        language=language,
        max_chars=_MAX_CHARS.get(kind, _LINE_CHARS),
    )


def _reason(reason: Reason, story: _Story) -> BriefReason | None:
    near = (f"{story.near.title} ({story.near.year})",)
    if reason == "shared":
        return BriefReason(nearest=near, shared=(_genre(story.shared),))
    if reason == "near":
        return BriefReason(nearest=near)
    if reason in ("director", "cast", "writer"):
        fact = SharedFact(title=near[0], relation=reason, name=story.person)
        return BriefReason(nearest=near, facts=(fact,))
    if reason in ("popular", "new"):
        is_popular = reason == "popular"
        return BriefReason(popular_among="everyone" if is_popular else None, new=not is_popular)
    return None


def _genre(values: Sequence[str]) -> BriefAttribute:
    return BriefAttribute(name="genre", values=tuple(values))


def _slots(story: _Story, language: Language) -> Mapping[str, str]:
    def genres(values: Sequence[str]) -> str:
        return _JOINS[language].join(display_genre(one, language) for one in values)

    item, second = story.item, story.second
    return {
        "title": item.title,
        "title2": second.title,
        "near": story.near.title,
        "genres": genres(item.genres[:2]),
        "genres2": genres(second.genres[:2]),
        "film": _a_film(item.genres[:2]),
        "film2": _a_film(second.genres[:2]),
        "shared": genres(story.shared),
        "audience": genres(item.genres[:1]),
        "year": str(item.year),
        "name": story.person,
        "director": item.director,
        "director2": second.director,
        "cast": item.actor,
        "cast2": second.actor,
    }


def _a_film(values: Sequence[str]) -> str:
    """Return "a drama" or "an action and war film", in English."""
    genres = " and ".join(display_genre(one, "en") for one in values)
    name = genres if genres in _FILMS_IN_ENGLISH else f"{genres} film"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
