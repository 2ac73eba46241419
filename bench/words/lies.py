"""How many planted lies the verifier catches, and how many true sentences it keeps.

1,000 briefs of MovieLens 100K with the facts of RecBole's graph. For each, true sentences in many
wordings, and lies: one statement changed, or something added that no fact supports. Whether a
sentence is true is looked up in the data, without the verifier.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import get_args

from bench.data.sets import RatingsSet, load_set
from bench.ranking.graph import read_triples
from bench.report.rows import BenchMetric, is_quick, save
from bench.words.additions import WordingSet, wording_sets
from bench.words.film_facts import FilmFacts, brief_item_of, films_of
from bench.words.film_sentences import (
    GENRES_ZH,
    SLOT,
    STATES_ROLE,
    FilmSentence,
    is_true,
    spoken_title,
    true_slots,
    true_texts,
)
from bench.words.paragraphs import measure_paragraphs
from copywriter.brief import Brief, Language
from copywriter.list_briefs import CopyStyle, ListReason, item_brief
from copywriter.verifier.check import check

BENCH = "copy-lies"
NUM_BRIEFS, QUICK_BRIEFS = 1_000, 50
OF_THE_OTHER = "a fact of the other film"
TRUE_TEXTS = 3  # of a brief and a language
MAX_CHARS = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmBrief:
    """A brief, and the films that it is about: the data that lies are found out by."""

    film: FilmFacts
    near: FilmFacts | None
    brief: Brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Lie:
    """A text that is not true, and what kind of lie it is."""

    kind: str
    text: str


def measure_lies(command: str) -> None:
    """Check true and false sentences; write the page of results."""
    num_briefs = QUICK_BRIEFS if is_quick() else NUM_BRIEFS
    ratings = load_set("ml-100k")
    films = films_of(ratings, read_triples())
    draw = Random(0)
    rows = []
    for wordings in wording_sets():
        briefs = draw_briefs(ratings, films, num_briefs, wordings.language, draw)
        rows += _measure_wordings(briefs, films, wordings, draw)
    for language in get_args(Language):
        rows += measure_paragraphs(films, num_briefs, language, draw)
    save(BENCH, "MovieLens 100K with RecBole's graph", rows, command=command)


def draw_briefs(
    ratings: RatingsSet,
    films: Mapping[str, FilmFacts],
    num_briefs: int,
    language: Language,
    draw: Random,
) -> list[FilmBrief]:
    """Draw films, and for nine of ten one that a user liked too, for a line that names it."""
    liked: dict[int, list[str]] = {}
    for user, item, rating in zip(
        ratings.users_E.tolist(), ratings.items_E.tolist(), ratings.ratings_E.tolist(), strict=True
    ):
        if rating >= 4:
            liked.setdefault(user, []).append(ratings.item_ids[item])
    users = [user for user, items in liked.items() if len(items) > 1]
    style = CopyStyle(language=language, max_chars=MAX_CHARS)
    found: list[FilmBrief] = []
    while len(found) < num_briefs:
        film_id, near_id = draw.sample(liked[draw.choice(users)], 2)
        film, near = films[film_id], films[near_id] if draw.random() < 0.9 else None
        near_items = [] if near is None else [brief_item_of(near)]
        reason = ListReason(nearest=near_items, is_popular=near is None and draw.random() < 0.5)
        found.append(
            FilmBrief(film=film, near=near, brief=item_brief(brief_item_of(film), reason, style))
        )
    return found


def lies_of(
    one: FilmBrief,
    sentence: FilmSentence,
    films: Sequence[FilmFacts],
    wordings: WordingSet,
    draw: Random,
) -> Iterator[Lie]:
    """Yield lies made of a true text: those that its wording has a place for."""
    changes: Mapping[str, Callable[[], FilmSentence | None]] = {
        "another person": lambda: _another_person(one, sentence, films, draw),
        "a person in another role": lambda: _another_role(one, sentence),
        "another year": lambda: _another_year(one, sentence, draw),
        "another genre": lambda: _another_genre(one, sentence, draw),
        "another film": lambda: _another_film(one, sentence, films, draw),
    }
    for kind, change in changes.items():
        changed = change()
        if changed is not None and not is_true(changed, one.film, one.near):
            yield Lie(kind=kind, text=changed.text)
    misquoted = _misquote(sentence, draw)
    if misquoted is not None:
        yield Lie(kind="a title quoted wrongly", text=misquoted)
    for kind, added in wordings.additions.items():
        known = [wording for wording in added if _is_lie(wording, kind, one)]
        if known:
            yield Lie(kind=kind, text=_with_slots(draw.choice(known), one, sentence))


def _is_lie(wording: str, kind: str, one: FilmBrief) -> bool:
    """Return whether all slots of a wording are known, and what it says of the other film false."""
    slots = true_slots(one.film, one.near)
    named = {*SLOT.findall(wording)} - {"text", "title"}
    if not named <= slots.keys():
        return False
    if kind != OF_THE_OTHER or one.near is None:
        return True
    people = {name for names in one.near.people.values() for name in names}
    return not any(slots[slot] in {*people, *one.near.genres} for slot in named & {*"gda"})


def _with_slots(wording: str, one: FilmBrief, sentence: FilmSentence) -> str:
    title = spoken_title((one.near or one.film).title)
    slots = {**true_slots(one.film, one.near), "text": sentence.text, "title": title}
    return FilmSentence(wording=wording, slots=slots, language=sentence.language).text


def _measure_wordings(
    briefs: Sequence[FilmBrief], films: Mapping[str, FilmFacts], wordings: WordingSet, draw: Random
) -> list[BenchMetric]:
    every, name = [*films.values()], wordings.name
    num_true = num_kept = 0
    lies, caught, rules = Counter[str](), Counter[str](), Counter[str]()
    began, num_checked = time.process_time(), 0
    for one in briefs:
        for sentence in _true_texts(one, wordings, draw):
            assert is_true(sentence, one.film, one.near), sentence.text
            num_true += 1
            verdict = check(sentence.text, one.brief)
            num_kept += verdict.is_accepted
            rules.update({violation.rule for violation in verdict.violations})
            for planted in lies_of(one, sentence, every, wordings, draw):
                lies[planted.kind] += 1
                caught[planted.kind] += not check(planted.text, one.brief).is_accepted
                num_checked += 1
    num_checked += num_true
    milliseconds = 1000 * (time.process_time() - began) / num_checked
    objections = ", ".join(f"{rule} {num}" for rule, num in rules.most_common())
    rows = [
        _share(f"{name}: true sentences kept", num_kept, num_true, note=objections),
        _share(f"{name}: lies caught", caught.total(), lies.total()),
    ]
    rows += [_share(f"{name}: caught, {kind}", caught[kind], num) for kind, num in lies.items()]
    speed = BenchMetric(
        metric=f"{name}: time to make and check a text", value=milliseconds, unit="ms"
    )
    return [*rows, speed]


def _true_texts(one: FilmBrief, wordings: WordingSet, draw: Random) -> list[FilmSentence]:
    slots = true_slots(one.film, one.near)
    return true_texts(slots, draw, wordings.language, wordings.true)[:TRUE_TEXTS]


def _share(metric: str, num: int, of: int, *, note: str = "") -> BenchMetric:
    counted = f"{num:,} of {of:,}"
    return BenchMetric(
        metric=metric,
        value=100 * num / of,
        unit="%",
        note=f"{counted}; rejected by {note}" if note else counted,
    )


def _another_person(
    one: FilmBrief, sentence: FilmSentence, films: Sequence[FilmFacts], draw: Random
) -> FilmSentence | None:
    slot = next((slot for slot in "daw" if slot in sentence.slots), None)
    if slot is None:
        return None
    known = {name for names in one.film.people.values() for name in names}
    while True:
        other = draw.choice(films)
        names = [name for of_role in other.people.values() for name in of_role]
        if names and names[0] not in known:
            return sentence.with_value(slot, names[0])


def _another_role(one: FilmBrief, sentence: FilmSentence) -> FilmSentence | None:
    """Return the text with the film's own actor as its director, or the other way round."""
    if STATES_ROLE.search(sentence.wording) is None:
        return None
    roles = {"d": "director", "a": "actor", "w": "writer"}
    for slot in "daw":
        own = one.film.people.get(roles[slot], ())
        others = [name for role in one.film.people.values() for name in role if name not in own]
        if slot in sentence.slots and others:
            return sentence.with_value(slot, others[0])
    return None


def _another_year(one: FilmBrief, sentence: FilmSentence, draw: Random) -> FilmSentence | None:
    slot = next((slot for slot in "yc" if slot in sentence.slots), None)
    if slot is None or one.film.year is None:
        return None
    year = one.film.year + draw.choice([-30, -20, -11, -3, -2, -1, 1, 2, 3, 12, 20])
    return sentence.with_value(slot, str(year) if slot == "y" else f"{year // 10}0")


def _another_genre(one: FilmBrief, sentence: FilmSentence, draw: Random) -> FilmSentence | None:
    slot = next((slot for slot in "gh" if slot in sentence.slots), None)
    if slot is None:
        return None
    others = [genre for genre in GENRES_ZH if genre not in one.film.genres]
    return sentence.with_value(slot, draw.choice(others))


def _another_film(
    one: FilmBrief, sentence: FilmSentence, films: Sequence[FilmFacts], draw: Random
) -> FilmSentence | None:
    slot = next((slot for slot in "nt" if slot in sentence.slots), None)
    if slot is None:
        return None
    known = {one.film.title, one.near.title if one.near is not None else None}
    other = draw.choice([film for film in films if film.title not in known])
    return sentence.with_value(slot, other.title)


def _misquote(sentence: FilmSentence, draw: Random) -> str | None:
    """Return the text with a title that has a word more, or one word less or changed."""
    slot = next((slot for slot in "tn" if slot in sentence.slots), None)
    if slot is None:
        return None
    title = spoken_title(sentence.slots[slot])
    words = title.split()
    at = draw.randrange(len(words))
    changed = draw.choice(
        [
            [*words, draw.choice(("Returns", "II", "Forever", "Again"))],
            [*words[:at], "Other", *words[at + 1 :]],
            [*words[:at], *words[at + 1 :]] if len(words) > 1 else ["Other", *words],
        ]
    )
    return sentence.text.replace(title, " ".join(changed))
