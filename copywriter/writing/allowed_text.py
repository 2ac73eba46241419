"""Which characters may follow while a model writes, so that it uses allowed words alone.

A text is made of the names and values of its brief, and of the words that the verifier's rule on
wording allows. A model that has begun "Directed by A" can go on with a name of the brief only. What
the words say together is for the verifier.

A state is all places where a text may be: in a word, after one, or before one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

from copywriter.brief import Brief, BriefAttribute, BriefReason, Language
from copywriter.wording import phrasing_chinese, phrasing_english
from copywriter.wording.genres import GENRES
from copywriter.wording.quotable import is_quotable
from copywriter.wording.roles import role_of
from copywriter.wording.titles import shown_title

# before a word, at the beginning of a sentence, after a word, after its apostrophe
Boundary = Literal["before", "begins", "after", "apostrophe"]

_ENDS = ".!?…。！？"
_BEGINS = '“"(:《（：'
_INSIDE = " ,;-–—”)》，、；）"
_APOSTROPHES = "'’"
_HAN_LANGUAGES: frozenset[Language] = frozenset(("zh",))


class _WordNode:
    """A place in a tree of words."""

    __slots__ = ("children", "is_end")

    def __init__(self) -> None:
        self.children: dict[str, _WordNode] = {}
        self.is_end = False


State = tuple[_WordNode | Boundary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedText:
    """The words of a brief's language, and its names, which keep their case."""

    words: _WordNode
    names: _WordNode
    has_spaces: bool
    is_title: bool  # it needs no full stop

    @property
    def start(self) -> State:
        """The state of an empty text."""
        return ("begins",)

    def after(self, state: State, characters: str) -> State:
        """Return the state after more characters; it is empty if they are not allowed."""
        for one in characters:
            state = self._after_one(state, one)
            if not state:
                break
        return state

    def may_end(self, state: State, text: str) -> bool:
        """Return whether a text in this state is complete."""
        is_between = any(isinstance(place, str) for place in state)
        ends = text.rstrip().rstrip('”"》）)')[-1:]
        return is_between and bool(ends) and (self.is_title or ends in _ENDS)

    def _after_one(self, state: State, one: str) -> State:
        found: dict[int | str, _WordNode | Boundary] = {}
        for place in state:
            for reached in self._steps(place, one):
                found[reached if isinstance(reached, str) else id(reached)] = reached
        return tuple(found.values())

    def _steps(self, place: _WordNode | Boundary, one: str) -> Iterator[_WordNode | Boundary]:
        if isinstance(place, _WordNode):
            yield from self._inside(place.children.get(one))
            return
        if place == "apostrophe":
            if one == "s":
                yield "after"
            return
        if one in _ENDS or one in _BEGINS:
            yield "begins"
        elif one in _INSIDE:
            yield "begins" if place == "begins" else "before"
        elif one in _APOSTROPHES and place == "after":
            yield "apostrophe"
        if place != "after":
            yield from self._inside(self.names.children.get(one))
            begun = one.lower() if place == "begins" else one
            yield from self._inside(self.words.children.get(begun))

    def _inside(self, node: _WordNode | None) -> Iterator[_WordNode | Boundary]:
        if node is not None:
            yield node
            if node.is_end:
                yield "after" if self.has_spaces else "before"


@lru_cache(maxsize=256)
def allowed_text(brief: Brief) -> AllowedText:
    """Return what a text of this brief may be written with."""
    return AllowedText(
        words=_words(brief.language),
        names=_tree(_names(brief)),
        has_spaces=brief.language not in _HAN_LANGUAGES,
        is_title=brief.kind == "row_title",
    )


@cache
def _words(language: Language) -> _WordNode:
    if language in _HAN_LANGUAGES:
        return _tree(phrasing_chinese.phrasing_words())
    return _tree(phrasing_english.phrasing_words() | phrasing_english.literal_phrases())


def _tree(words: Iterable[str]) -> _WordNode:
    root = _WordNode()
    for word in words:
        node = root
        for one in word:
            node = node.children.setdefault(one, _WordNode())
        node.is_end = True
    return root


def _names(brief: Brief) -> frozenset[str]:
    """Return titles as a sentence has them, names, and values with the forms of their genre."""
    reason = brief.reason or BriefReason()
    titles = [item.title for item in brief.items if item.title is not None]
    titles += [*reason.nearest, *(fact.title for fact in reason.facts)]
    names = [fact.name for item in brief.items for fact in item.facts]
    names += [fact.name for fact in reason.facts if fact.name is not None]
    parts = [*reason.shared, *(part for item in brief.items for part in item.attributes)]
    parts += [] if brief.audience is None else [brief.audience]
    found = {shown_title(title) for title in titles if is_quotable(title)}
    found |= {name for name in names if is_quotable(name)}
    return frozenset(found.union(*map(_value_forms, parts)) - {""})


def _value_forms(part: BriefAttribute) -> set[str]:
    found: set[str] = set()
    for value in part.values:
        text = value if isinstance(value, str) else f"{value:g}"
        if is_quotable(text):
            found |= {text, text.lower()}
            found |= _genre_forms(text) if role_of(part.name) == "genre" else set()
    return found


def _genre_forms(value: str) -> set[str]:
    """Return the names of a genre: science fiction, Thriller, thrillers, comedies, 惊悚."""
    found: set[str] = set()
    for genre in GENRES:
        if genre.words.fullmatch(value) is not None:
            names = {genre.en, genre.en.replace("’", "'")}
            names |= {"science fiction"} if genre.en == "sci-fi" else set()
            plurals = set(map(_plural, names))
            known = {name for name in names | plurals if genre.words.fullmatch(name) is not None}
            found |= known | {name[0].upper() + name[1:] for name in known} | {genre.zh}
    return found


def _plural(name: str) -> str:
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
