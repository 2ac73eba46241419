"""The names that a brief supports, each with what it is the name of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from copywriter.brief import Brief, BriefAttribute, BriefItem, BriefValue
from copywriter.wording.quotable import is_quotable
from copywriter.wording.titles import title_forms

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
WORD = re.compile(r"[^\W\d_](?:[\w’'-]*\w)?")
LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u024f](?:[A-Za-z\u00c0-\u024f’'-]*[A-Za-z\u00c0-\u024f])?")
MASK = 0xE000  # private use: one character for each name of a brief
MAX_NAMES = 6_000
_EDGE = "0-9A-Za-z\u00c0-\u024f"
_AT_EDGE = re.compile(f"[{_EDGE}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportedName:
    """A name: a title of an item or of the history, or the value of relations and attributes.

    `title` is the catalogue's title that it is a form of. `is_shared` are those that an
    item of the history has too, by the reason.
    """

    title: str | None = None
    is_item: bool = False
    is_history: bool = False
    relations: frozenset[str] = frozenset()
    is_shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefNames:
    """All names of a brief, and the words and numbers that occur in its strings.

    `pattern` finds names; `by_form` has them by their form in lower case, `masks` the character of
    a form, `forms` the form of a character. `words` are of all strings, `value_words` without
    titles. `numbers` are those of the items themselves; `counts` are of items, of titles of the
    history, and of values.
    """

    pattern: re.Pattern[str] | None
    by_form: dict[str, SupportedName]
    masks: dict[str, str]
    forms: dict[str, str]
    strings: tuple[str, ...]
    words: frozenset[str]
    value_words: frozenset[str]
    numbers: frozenset[str]
    counts: frozenset[int]


@lru_cache(maxsize=256)
def names_of(brief: Brief) -> BriefNames:
    """Return the names that a text of this brief may use."""
    found: dict[str, SupportedName] = {}
    cased: dict[str, bool] = {}
    for form, name, is_title in _named_forms(brief):
        key = form.lower()
        found[key] = _merge(found.get(key), name)
        cased[form] = is_title and cased.get(form, True)
    forms = sorted(cased, key=lambda form: (-len(form), form))[:MAX_NAMES]
    strings = tuple(dict.fromkeys(_strings(brief)))
    own = [one for item in brief.items for one in item_strings(item)]
    own += [text_of(one) for part in _shared_values(brief) for one in part.values]
    masks = {form.lower(): chr(MASK + index) for index, form in enumerate(forms)}
    return BriefNames(
        pattern=re.compile("|".join(_form_pattern(one, cased[one]) for one in forms))
        if forms
        else None,
        by_form=found,
        masks=masks,
        forms={sign: form for form, sign in masks.items()},
        strings=strings,
        words=frozenset(word.lower() for one in strings for word in _words_of(one)),
        value_words=frozenset(
            word.lower() for one in _value_strings(brief) for word in _words_of(one)
        ),
        numbers=frozenset(number for one in own for number in numbers_in(one)),
        counts=_counts(brief),
    )


def numbers_in(text: str) -> list[str]:
    """Return the numbers of a text without separators of thousands."""
    return [found.replace(",", "") for found in NUMBER.findall(text)]


def _words_of(text: str) -> list[str]:
    return [*WORD.findall(text), *LATIN_WORD.findall(text)]


def _named_forms(brief: Brief) -> Iterator[tuple[str, SupportedName, bool]]:
    """Yield each form of each name, and whether it is a title, which is read with its case."""
    for item in brief.items:
        for form in _quotable_forms(item.title):
            yield form, SupportedName(title=item.title, is_item=True), True
        for part in item.attributes:
            yield from _values(part)
        for fact in item.facts:
            if is_quotable(fact.name):
                yield fact.name, SupportedName(relations=frozenset({fact.relation})), True
    for part in _shared_values(brief):
        yield from _values(part, is_shared=part != brief.audience)
    for title in _history_titles(brief):
        for form in _quotable_forms(title):
            yield form, SupportedName(title=title, is_history=True), True
    for shared in brief.reason.facts if brief.reason is not None else ():
        if shared.name is not None and is_quotable(shared.name):
            relations = frozenset({shared.relation})
            yield shared.name, SupportedName(relations=relations, is_shared=True), True


def _quotable_forms(title: str | None) -> tuple[str, ...]:
    """Return the forms of a title that may be quoted: none of one with an instruction in it."""
    if title is None or not is_quotable(title):
        return ()
    return title_forms(title)


def _values(
    part: BriefAttribute, *, is_shared: bool = False
) -> Iterator[tuple[str, SupportedName, bool]]:
    name = SupportedName(relations=frozenset({part.name}), is_shared=is_shared)
    for value in part.values:
        text = text_of(value)
        if is_quotable(text):
            yield text, name, False


def _merge(one: SupportedName | None, other: SupportedName) -> SupportedName:
    if one is None:
        return other
    return SupportedName(
        title=one.title or other.title,
        is_item=one.is_item or other.is_item,
        is_history=one.is_history or other.is_history,
        relations=one.relations | other.relations,
        is_shared=one.is_shared or other.is_shared,
    )


def _form_pattern(form: str, is_cased: bool) -> str:
    """Return a pattern for a form: not inside a longer Latin word; any case for plain values."""
    before = f"(?<![{_EDGE}])" if _AT_EDGE.match(form[0]) else ""
    after = f"(?![{_EDGE}])" if _AT_EDGE.match(form[-1]) else ""
    inside = re.escape(form)
    return f"{before}{inside}{after}" if is_cased else f"{before}(?i:{inside}){after}"


def _history_titles(brief: Brief) -> tuple[str, ...]:
    if brief.reason is None:
        return ()
    return (*brief.reason.nearest, *(fact.title for fact in brief.reason.facts))


def _shared_values(brief: Brief) -> tuple[BriefAttribute, ...]:
    shared = brief.reason.shared if brief.reason is not None else ()
    return shared if brief.audience is None else (*shared, brief.audience)


def _strings(brief: Brief) -> Iterator[str]:
    """Yield every string of a brief that may be quoted."""
    for item in brief.items:
        yield from item_strings(item)
    for part in _shared_values(brief):
        yield from map(text_of, part.values)
    yield from (one for title in _history_titles(brief) for one in _quotable_forms(title))
    for fact in brief.reason.facts if brief.reason is not None else ():
        if fact.name is not None and is_quotable(fact.name):
            yield fact.name


def _value_strings(brief: Brief) -> Iterator[str]:
    """Yield the values, the names of people, and those of attributes and relations."""
    parts = [*_shared_values(brief), *(part for item in brief.items for part in item.attributes)]
    for part in parts:
        yield part.name.replace("_", " ")
        yield from map(text_of, part.values)
    for fact in (fact for item in brief.items for fact in item.facts):
        yield fact.relation.replace("_", " ")
        yield fact.name if is_quotable(fact.name) else ""
    for shared in brief.reason.facts if brief.reason is not None else ():
        if shared.name is not None and is_quotable(shared.name):
            yield shared.name


def item_strings(item: BriefItem) -> Iterator[str]:
    """Yield the forms of an item's title, its values and the names of its facts."""
    yield from _quotable_forms(item.title)
    yield from (text_of(value) for part in item.attributes for value in part.values)
    yield from (fact.name for fact in item.facts if is_quotable(fact.name))


def text_of(value: BriefValue) -> str:
    """Return a value as text; 1980.0 is 1980, and an unquotable value is nothing."""
    if isinstance(value, str):
        return value if is_quotable(value) else ""
    return str(int(value)) if float(value).is_integer() else str(value)


def _counts(brief: Brief) -> frozenset[int]:
    sizes = {len(brief.items)}
    if brief.reason is not None:
        sizes |= {len(brief.reason.nearest), len(set(_history_titles(brief)))}
    parts = [*_shared_values(brief), *(part for item in brief.items for part in item.attributes)]
    return frozenset(sizes | {len(part.values) for part in parts})
