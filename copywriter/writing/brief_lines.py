"""A brief as lines of a prompt: labels of ours, and everything that others wrote in quotes.

A title may hold anything, also an instruction or the tokens with which a chat template begins a
turn. So each value is one line of JSON without the characters that such tokens need, and is cut.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from copywriter.brief import (
    Brief,
    BriefAttribute,
    BriefItem,
    BriefReason,
    BriefValue,
    Language,
)
from copywriter.wording.genres import display_genre
from copywriter.wording.roles import RoleName, role_of
from copywriter.wording.titles import shown_title

MAX_CHARS = 80  # of a value; longer titles are rare, and a small model loses track
MAX_VALUES = 5  # of an attribute
_ROLES: dict[RoleName, str] = {
    "cast": "actor",
    "camera": "cinematographer",
    "company": "production company",
    "genre": "subject",
}
# a small model copies a label that it sees, and takes a word of another language for another role
_ROLES_ZH: dict[RoleName, str] = {
    "director": "导演",
    "cast": "主演",
    "writer": "编剧",
    "music": "配乐",
    "producer": "制片",
    "camera": "掌镜",
    "company": "出品",
    "brand": "品牌",
    "artist": "艺术家",
    "genre": "题材",
    "year": "年份",
    "country": "国家",
}
_CONTROL = str.maketrans({"<": "‹", ">": "›", "|": "¦", "｜": "¦", "[": "(", "]": ")"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Labels:
    """The words of one language around the facts."""

    item: str
    liked: str
    shared: str
    same: str
    related: str
    popular: str
    audience_popular: str
    new: str
    readers: str


_LABELS: dict[Language, _Labels] = {
    "en": _Labels(
        item="Title",
        liked="Because you liked: {}",
        shared="Same {}: {}",
        same="Same {} as {}: {}",
        related="It is the {} of: {}",
        popular="Popular with: everyone",
        audience_popular="Popular with: readers like you",
        new="New: yes",
        readers="For readers who like",
    ),
    "zh": _Labels(
        item="标题",
        liked="因为您喜欢: {}",
        shared="相同的 {}: {}",
        same="与 {1} 相同的 {0}: {2}",
        related="{1} 的 {0}: 是",
        popular="受欢迎: 大家",
        audience_popular="受欢迎: 与您相似的读者",
        new="新品: 是",
        readers="面向的读者喜欢",
    ),
}


def brief_lines(brief: Brief) -> str:
    """Return the facts and the reason of a brief, one a line."""
    labels = _LABELS[brief.language]
    lines: list[str] = []
    for item in brief.items:
        lines += _item_lines(item, brief.language, labels)
    if brief.audience is not None:
        lines.append(f"{labels.readers}: {_values(brief.audience, brief.language)}")
    if brief.reason is not None:
        lines += _reasons(brief.reason, brief.language, labels)
    return "\n".join(lines)


def in_quotes(value: BriefValue) -> str:
    """Return a value in quotes on one line, without what could end the quotation."""
    if not isinstance(value, str):
        return str(value)
    words = " ".join(value.translate(_CONTROL).split())[:MAX_CHARS]
    return json.dumps(words, ensure_ascii=False)


def _item_lines(item: BriefItem, language: Language, labels: _Labels) -> Iterator[str]:
    if item.title is not None:
        yield f"{labels.item}: {_title(item.title)}"
    for attribute in item.attributes:
        yield f"{_attribute(attribute.name, language)}: {_values(attribute, language)}"
    for fact in item.facts:
        yield f"{_relation(fact.relation, language)}: {in_quotes(fact.name)}"


def _reasons(reason: BriefReason, language: Language, labels: _Labels) -> Iterator[str]:
    if reason.nearest:
        yield labels.liked.format(", ".join(map(_title, reason.nearest)))
    for shared in reason.shared:
        yield labels.shared.format(_attribute(shared.name, language), _values(shared, language))
    for fact in reason.facts:
        title, relation = _title(fact.title), _relation(fact.relation, language)
        if fact.name is None:
            yield labels.related.format(relation, title)
        else:
            yield labels.same.format(relation, title, in_quotes(fact.name))
    if reason.popular_among is not None:
        everyone = reason.popular_among == "everyone"
        yield labels.popular if everyone else labels.audience_popular
    if reason.new:
        yield labels.new


def _title(title: str) -> str:
    """Return a title as a sentence has it: "The Sting", not "Sting, The (1973)"."""
    return in_quotes(shown_title(title))


def _values(part: BriefAttribute, language: Language) -> str:
    """Return the values of an attribute; genres as a text in another language than English has."""
    return ", ".join(in_quotes(_value(part, one, language)) for one in part.values[:MAX_VALUES])


def _value(part: BriefAttribute, value: BriefValue, language: Language) -> BriefValue:
    is_genre = language != "en" and isinstance(value, str) and role_of(part.name) == "genre"
    return display_genre(str(value), language) if is_genre else value


def _attribute(name: str, language: Language) -> str:
    role = role_of(name) if language == "zh" else None
    return _label(name) if role is None else _ROLES_ZH.get(role, _label(name))


def _relation(relation: str, language: Language) -> str:
    """Return a relation as words: "director" for film.film.directed_by and http://x/director."""
    role = role_of(relation)
    if role in _ROLES_ZH and language == "zh":
        return _ROLES_ZH[role]
    if role is not None:
        return _ROLES.get(role, role)
    last = re.split(r"[./#:]", relation.rstrip("./#:"))[-1]
    return _label(last)


def _label(name: str) -> str:
    """Return the name of an attribute or relation, which a shop chose, as a label."""
    return in_quotes(name.replace("_", " "))[1:-1]
