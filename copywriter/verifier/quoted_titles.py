"""The rule on quoted titles: what stands in quotation marks is a name of the brief."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from copywriter.verifier.reading import MASKS, CopyReading
from copywriter.verifier.verdict import Violation
from copywriter.wording.roles import role_of
from copywriter.wording.titles import is_cut_form

_QUOTED = re.compile(
    r"“(?P<a>[^“”]*)”|\"(?P<b>[^\"]*)\"|《(?P<c>[^《》]*)》|「(?P<d>[^「」]*)」|『(?P<e>[^『』]*)』"
    r"|«(?P<f>[^«»]*)»|(?<!\w)[‘'](?P<g>[^‘’']{2,}(?:[’'][a-z]{1,2}\b[^‘’']*)?)[’'](?!\w)"
)
_ONE_NAME = re.compile(rf"[\s]*(?P<name>[{MASKS}])(?:\s*\(\d{{4}}\))?[\s,.!?…]*")
_UNBALANCED = (("“", "”"), ("《", "》"), ("「", "」"))


def titles(reading: CopyReading) -> Sequence[Violation]:
    """Return the quotations that are not exactly one name of the brief, or half of one."""
    return [Violation(rule="titles", words=reading.unmask(one)) for one in _wrong(reading)]


def _wrong(reading: CopyReading) -> Iterator[str]:
    for opening, closing in _UNBALANCED:
        if reading.masked.count(opening) != reading.masked.count(closing):
            yield opening
    brief = reading.brief
    history = () if brief.reason is None else brief.reason.nearest
    known = [*(item.title for item in brief.items), *history]
    for found in _QUOTED.finditer(reading.masked):
        inside = next(one for one in found.groups() if one is not None)
        if _is_one_title(reading, inside, in_title_marks=found["c"] is not None):
            continue
        if not any(title is not None and is_cut_form(inside, title) for title in known):
            yield inside


def _is_one_title(reading: CopyReading, inside: str, *, in_title_marks: bool) -> bool:
    """Return whether a quotation is one title; a genre is none, though a film may be named so.

    Other marks than 《》 may also quote another name, such as a person's.
    """
    found = _ONE_NAME.fullmatch(inside)
    if found is None:
        return False
    name = reading.names.get(found["name"])
    is_genre = name is not None and "genre" in map(role_of, name.relations)
    return name is not None and (name.title is not None or not (is_genre or in_title_marks))
