"""Paragraphs about two films: true ones, and ones in which a fact changed its film.

Both films and all of the facts are in the brief, so a lie has no word that the brief lacks.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from bench.report.rows import BenchMetric
from bench.words.film_facts import FilmFacts, brief_item_of
from bench.words.film_sentences import GENRES_ZH, SLOT, Language, spoken_title, true_slots
from copywriter.brief import Brief, BriefReason
from copywriter.verifier.check import check

TRUE_TEXTS = 3  # of a pair of films
MAX_CHARS = 480
_FACTS = "gyda"
# slots as in `film_sentences`: lower case for one film, capitals for the other, n for a film that
# the reader knows
WORDINGS: Mapping[Language, Sequence[str]] = {
    "en": (
        "“{t}” is a {g} film, and “{T}” a {G} film.",
        "Two for the weekend: “{t}” ({y}), {g}, and “{T}” ({Y}), {G}.",
        "Since you watched “{n}”: “{t}” by {d} and “{T}” by {D}.",
        "{d} directed “{t}”. {D} directed “{T}”.",
        "Try “{t}” with {a} for {g}, or “{T}” with {A} for {G}.",
        "“{t}” goes back to {y}; “{T}” is from {Y}.",
        "In the mood for {g}? Watch “{t}”. For {G}, take “{T}”.",
        "The {g} film “{t}” stars {a}, and the {G} film “{T}” stars {A}.",
        "From {y} comes “{t}”, directed by {d}; from {Y} comes “{T}”, directed by {D}.",
        "Start with “{t}”, a {y} film by {d}, then move on to “{T}”, a {Y} film by {D}.",
        "“{t}” offers {g} and {a}, while “{T}” offers {G} and {A}.",
        "“{T}” ({G}) and “{t}” ({g}) make a fine pair.",
        "You liked “{n}”, so here is “{t}”. It is a {g} film with {a}. And “{T}”, with {A}.",
        "An evening with {a} in “{t}”, and one with {A} in “{T}”.",
    ),
    "zh": (
        "《{t}》是{g}片，《{T}》是{G}片。",
        "一起看《{t}》（{y}），{g}；《{T}》（{Y}），{G}。",
        "因为你看过《{n}》，推荐{d}执导的《{t}》和{D}执导的《{T}》。",
        "{d}执导了《{t}》。{D}执导了《{T}》。",
        "《{t}》由{a}主演，《{T}》由{A}主演。",
        "想看{g}，就看《{t}》。想看{G}，就看《{T}》。",
        "{y}年的《{t}》，{Y}年的《{T}》，值得一看。",
        "《{t}》，{g}，{d}执导；《{T}》，{G}，{D}执导。",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _FilmPair:
    """Two films, the slots of both, and their brief."""

    slots: Mapping[str, str]
    brief: Brief
    films: Sequence[FilmFacts]


def measure_paragraphs(
    films: Mapping[str, FilmFacts], num_briefs: int, language: Language, draw: Random
) -> list[BenchMetric]:
    """Return which shares of true paragraphs are kept, and of exchanged facts caught."""
    name = {"en": "English paragraphs", "zh": "Chinese paragraphs"}[language]
    every = [*films.values()]
    num_true = num_kept = 0
    lies, caught, rules = Counter[str](), Counter[str](), Counter[str]()
    began = time.process_time()
    for _ in range(num_briefs):
        pair = _draw_pair(every, language, draw)
        for wording in _known_wordings(pair, language, draw):
            verdict = check(_text(wording, pair.slots, language), pair.brief)
            num_true += 1
            num_kept += verdict.is_accepted
            rules.update({one.rule for one in verdict.violations})
            for kind, slots in _lies_of(wording, pair):
                lies[kind] += 1
                caught[kind] += not check(_text(wording, slots, language), pair.brief).is_accepted
    milliseconds = 1000 * (time.process_time() - began) / (num_true + lies.total())
    objections = ", ".join(f"{rule} {num}" for rule, num in rules.most_common())
    note = f"{num_kept:,} of {num_true:,}; rejected by {objections or 'none'}"
    kept = BenchMetric(
        metric=f"{name}: true ones kept", value=100 * num_kept / num_true, unit="%", note=note
    )
    rows = [kept, _share(f"{name}: lies caught", caught.total(), lies.total())]
    rows += [_share(f"{name}: caught, {kind}", caught[kind], num) for kind, num in lies.items()]
    speed = BenchMetric(metric=f"{name}: time to check one", value=milliseconds, unit="ms")
    return [*rows, speed]


def _draw_pair(films: Sequence[FilmFacts], language: Language, draw: Random) -> _FilmPair:
    one, other, near = draw.sample(films, 3)
    brief = Brief(
        kind="newsletter",
        items=(brief_item_of(one), brief_item_of(other)),
        reason=BriefReason(nearest=(near.title,)),
        language=language,
        max_chars=MAX_CHARS,
    )
    slots = dict(true_slots(one, near))
    slots |= {slot.upper(): value for slot, value in true_slots(other, near).items()}
    return _FilmPair(slots=slots, brief=brief, films=(one, other))


def _known_wordings(pair: _FilmPair, language: Language, draw: Random) -> list[str]:
    """Return a few wordings whose slots are known, in random order."""
    wordings = WORDINGS[language]
    found = [
        one
        for one in draw.sample(wordings, len(wordings))
        if {*SLOT.findall(one)} <= pair.slots.keys()
    ]
    return found[:TRUE_TEXTS]


def _lies_of(wording: str, pair: _FilmPair) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the slots of lies: a fact of the other film, or both titles exchanged."""
    used = {*SLOT.findall(wording)}
    kinds = {"g": "genre", "y": "year", "d": "director", "a": "actor"}
    wrong = False
    for slot in _FACTS:
        for own, others, film in ((slot, slot.upper(), 0), (slot.upper(), slot, 1)):
            value = pair.slots.get(others)
            if own in used and value is not None and not _has(pair.films[film], slot, value):
                wrong = True
                yield f"the other film's {kinds[slot]}", {**pair.slots, own: value}
    if wrong:
        exchanged = {"t": pair.slots["T"], "T": pair.slots["t"]}
        yield "titles exchanged", {**pair.slots, **exchanged}


def _has(film: FilmFacts, slot: str, value: str) -> bool:
    """Return whether a value of another film is true of this one too."""
    if slot == "g":
        return value in film.genres
    if slot == "y":
        return value == str(film.year)
    relation = {"d": "director", "a": "actor"}[slot]
    return value in film.people.get(relation, ())


def _text(wording: str, slots: Mapping[str, str], language: Language) -> str:
    def word(slot: str) -> str:
        value = slots[slot]
        if slot in "tTn":
            return spoken_title(value)
        if slot in "gG":
            return GENRES_ZH[value] if language == "zh" else value.lower()
        return value

    text = SLOT.sub(lambda found: word(found[1]), wording)
    return text[0].upper() + text[1:]


def _share(metric: str, num: int, of: int) -> BenchMetric:
    return BenchMetric(metric=metric, value=100 * num / of, unit="%", note=f"{num:,} of {of:,}")
