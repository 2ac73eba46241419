"""The rule on attribution, for a text about several items: each has its own facts alone.

"“Heat” (1995), crime; “Alien”, by Ann Lee." A value is said of the item that is named before it, or
after it in the same breath ("the thriller “Heat”"). Where both may be meant, both must have it, and
what is said of a list of items must be true of all of them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, zip_longest
from typing import get_args

from copywriter.brief import Brief, BriefItem, Language
from copywriter.verifier.names_of_brief import item_strings, numbers_in, text_of
from copywriter.verifier.reading import MASKS, CopyReading
from copywriter.verifier.verdict import Violation
from copywriter.wording import phrasing_english
from copywriter.wording.genres import GENRES, display_genre, genres_in
from copywriter.wording.titles import title_forms

_NAME = re.compile(f"[{MASKS}]")
_YEAR = re.compile(r"(?<!\d)(?P<year>(?:1[89]|20)\d\d)(?!\d)(?P<decade>['’]?s\b|年代)?")
_AND = r"(?:and|or|&|和|与|及|跟)"
# between two titles of one list: "“Heat” and “Alien”", "“Heat”, “Alien”"
_TITLES = re.compile(
    r"[”\"'’》」]?(?:\s?[(（]\d{4}[)）])?"
    rf"(?P<comma>[,、，])?\s*(?P<word>{_AND})?\s*[“\"'‘《「]?",
    re.IGNORECASE,
)
# between two values of one list: "sci-fi, war and action"
_VALUES = re.compile(rf"\s*[,、，]?\s*(?:{_AND})?\s*(?:an? )?", re.IGNORECASE)
_ANOTHER_PART = re.compile(
    r"[;:；：。]|\b(?:and|or|but|while|whereas|plus|then|next|also)\b|&|以及|还有|而|[和与及]",
    re.IGNORECASE,
)
_APART = re.compile(rf"[,，]|{_ANOTHER_PART.pattern}", re.IGNORECASE)
_OF_LATER = re.compile(r"的\s*[《「“]?$")  # "《Heat》，1979年的《Alien》"
_QUESTION = re.compile(r"[?？][”\"’』」]?\s*$")
_EVERY_ONE = re.compile(
    r"\b(?:all|each|every|both|everything|none|neither)\b|[都均皆各每]|全部|一律", re.IGNORECASE
)
_OF_READERS = re.compile(
    r"(?:\b(?:fans?|lovers?|admirers?|readers?|viewers?) of|\b(?:like|love|enjoy)s?|\bmood for"
    r"|喜欢|喜爱|热爱|爱看)[^.;:!?。；：！？]{0,80}$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owners:
    """Which items have which titles, values, genres and years, by their places in the brief."""

    titles: Mapping[str, frozenset[int]]
    values: Mapping[str, frozenset[int]]
    genres: Mapping[str, frozenset[int]]
    years: Mapping[str, frozenset[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _StatedValue:
    """A value in a sentence, and the items that have it."""

    start: int
    end: int
    items: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _NamedItems:
    """A list of titles in a sentence, each with the items that are called so: mostly one."""

    start: int
    end: int
    titles: frozenset[frozenset[int]]


def of_several_items(reading: CopyReading) -> Sequence[Violation]:
    """Return what a text gives to an item that another one has; nothing for one item.

    Only a newsletter is about all items of its brief.
    """
    if reading.brief.kind != "newsletter" or len(reading.brief.items) < 2:
        return ()
    found = dict.fromkeys(_misplaced_values(reading))
    return [Violation(rule="attribution", words=one) for one in found]


def _misplaced_values(reading: CopyReading) -> Iterator[str]:
    owners = _owners(reading.brief)
    everything = frozenset(frozenset({place}) for place in range(len(reading.brief.items)))
    before = everything  # what the last sentence with titles names
    named_by = [_named_items(one, reading, owners) for one in reading.sentences]
    for sentence, named, later in zip_longest(reading.sentences, named_by, named_by[1:]):
        values = _stated_values(sentence, reading, owners)
        text = _without_lists(sentence, values)
        around = before
        if _QUESTION.search(sentence) and later:
            around = later[0].titles  # "In the mood for crime? Watch “Heat”."
        for value in values:
            meant = _meant_items(value, named, text) if named else around
            is_had = all(title & value.items for title in meant or everything)
            if value.items and not is_had:
                yield reading.unmask(sentence[max(0, value.start - 24) : value.end + 24])
        if _EVERY_ONE.search(sentence) and _names_history(sentence, reading):
            yield reading.unmask(sentence)  # the reason is that of most items, not of all
        before = frozenset(title for one in named for title in one.titles) or before


def _meant_items(
    value: _StatedValue, named: Sequence[_NamedItems], text: str
) -> frozenset[frozenset[int]]:
    """Return the titles that a value may be said of; none if it stands by itself."""
    prior = next((one for one in reversed(named) if one.end <= value.start), None)
    later = next((one for one in named if one.start >= value.end), None)
    meant = frozenset[frozenset[int]]()
    if later is not None:
        between = text[value.end : later.start]
        is_later = _APART.search(between) is None
        if prior is None or (is_later and _OF_LATER.search(between)):
            return later.titles
        meant |= later.titles if is_later else frozenset()
    if prior is not None and not _ANOTHER_PART.search(text[prior.end : value.start]):
        meant |= prior.titles
    return meant


def _named_items(sentence: str, reading: CopyReading, owners: _Owners) -> Sequence[_NamedItems]:
    """Return the items that a sentence names, those of a list together."""
    found: list[_NamedItems] = []
    is_list = False  # "“Heat”, “Alien”", which ", and “Jaws”" may end
    for sign in _NAME.finditer(sentence):
        if not (_is_title(sign, sentence, reading) and reading.names[sign[0]].is_item):
            continue
        items, start = owners.titles[reading.of_brief.forms[sign[0]]], sign.start()
        titles = frozenset({items})
        joined = _TITLES.fullmatch(sentence[found[-1].end : start]) if found else None
        has_comma = joined is not None and joined["comma"] is not None
        has_word = joined is not None and joined["word"] is not None
        if has_comma != has_word or (has_comma and has_word and is_list):
            last = found.pop()
            titles, start = titles | last.titles, last.start
            is_list = has_comma
        else:
            is_list = False
        found.append(_NamedItems(start=start, end=sign.end(), titles=titles))
    return found


def _is_title(sign: re.Match[str], text: str, reading: CopyReading) -> bool:
    """Return whether a name is meant as a title; one that is a value too must be in quotes."""
    name = reading.names.get(sign[0])
    if name is None or name.title is None:
        return False
    is_quoted = text[: sign.start()][-1:] in tuple("“\"'‘《「")
    return not name.relations or is_quoted


def _stated_values(sentence: str, reading: CopyReading, owners: _Owners) -> Sequence[_StatedValue]:
    """Return the values in a sentence, in their order.

    Those that the brief has of its readers or of its reason alone have no items: other rules know
    them.
    """
    spans: list[tuple[re.Match[str], frozenset[int]]] = []
    for sign in _NAME.finditer(sentence):
        if not _is_title(sign, sentence, reading):
            form = reading.of_brief.forms[sign[0]]
            spans.append((sign, owners.values.get(form, frozenset())))
    for genre in GENRES:
        had = owners.genres.get(genre.en, frozenset())
        spans += [(found, had) for found in genre.words.finditer(sentence)]
    for year in _YEAR.finditer(sentence):
        key = f"{year['year'][:3]}0s" if year["decade"] else year["year"]
        spans.append((year, owners.years.get(key, frozenset())))
    said: list[_StatedValue] = []
    for found, had in spans:
        items = frozenset[int]() if _is_of_readers(found, sentence, reading) else had
        said.append(_StatedValue(start=found.start(), end=found.end(), items=items))
    return sorted(said, key=lambda one: one.start)


def _is_of_readers(found: re.Match[str], sentence: str, reading: CopyReading) -> bool:
    """Return whether a value is said of the readers whom the brief is for."""
    audience = reading.brief.audience
    if audience is None or not _OF_READERS.search(sentence[: found.start()]):
        return False
    words = reading.of_brief.forms.get(found[0], found[0].lower())
    names = [str(value) for value in audience.values]
    names += [display_genre(name, language) for name in names for language in get_args(Language)]
    return any(words in name.lower() for name in names)


def _without_lists(sentence: str, values: Sequence[_StatedValue]) -> str:
    """Return a sentence of the same length, with spaces between the values of each list."""
    text = sentence
    for one, other in pairwise(values):
        between = sentence[one.end : other.start]
        if one.end <= other.start and _VALUES.fullmatch(between):
            text = f"{text[: one.end]}{' ' * len(between)}{text[other.start :]}"
    return text


def _names_history(sentence: str, reading: CopyReading) -> bool:
    names = [reading.names.get(sign) for sign in _NAME.findall(sentence)]
    return any(name is not None and name.is_history and not name.is_item for name in names)


@lru_cache(maxsize=256)
def _owners(brief: Brief) -> _Owners:
    titles, values = defaultdict[str, set[int]](set), defaultdict[str, set[int]](set)
    genres, years = defaultdict[str, set[int]](set), defaultdict[str, set[int]](set)
    ordinary = phrasing_english.phrasing_words()
    for place, item in enumerate(brief.items):
        for title in title_forms(item.title or ""):
            titles[title.lower()].add(place)
        for text in _values_of(item):
            if text.lower() not in ordinary:  # a genre "a" would be every article
                values[text.lower()].add(place)
            for genre, _ in genres_in(text):
                genres[genre.en].add(place)
        for number in (one for text in item_strings(item) for one in numbers_in(text)):
            years[number].add(place)
            years[f"{number[:3]}0s"].add(place)
    return _Owners(
        titles=_frozen(titles), values=_frozen(values), genres=_frozen(genres), years=_frozen(years)
    )


def _values_of(item: BriefItem) -> Iterator[str]:
    yield from (text_of(value) for part in item.attributes for value in part.values)
    yield from (fact.name for fact in item.facts)


def _frozen(places: Mapping[str, set[int]]) -> Mapping[str, frozenset[int]]:
    return {form: frozenset(found) for form, found in places.items()}
