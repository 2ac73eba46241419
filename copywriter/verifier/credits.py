"""The rule on roles: who directed is the director, and what you liked is in your history."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from copywriter.verifier.reading import MASKS, CopyReading
from copywriter.verifier.verdict import Violation
from copywriter.wording.roles import ROLES, role_of

_NAME = re.compile(f"[{MASKS}]")
_OPEN = r"[“\"'《「]?\s*$"
_LIKED = re.compile(
    r"(?:\byou(?:['’]ve)?(?: have)?(?: just| recently| really| also| already)?"
    r" (?:liked|loved|enjoyed|watched|saw|read|bought|viewed|rated|picked|chose|looked at)"
    r"|\b(?:reminds? you of|similar to|close to|in the (?:vein|spirit|style) of)"
    r"|(?<!\bmay )(?<!\bmight )(?<!\bwill )(?<!\bwould )(?<!\bcould )(?<!['’]ll )\blike"
    r"|\b(?:fans|lovers|admirers) of"
    r"|你(?:曾|刚刚?|最近)?(?:看|喜欢|爱|买|关注|浏览|收藏|欣赏|读)(?:过|了)?|类似于?|好似|与"
    r"|(?:^|[，。；：！？、\s])[看读听买]过)\s*" + _OPEN,
    re.IGNORECASE,
)
# "Ann Lee's thriller", "Ann Lee's “Heat”": who has only acted in an item did not make it
_MAKES = re.compile(
    rf"^['’]s (?:[\w{MASKS}-]+ ){{0,3}}?"
    rf"(?:films?|movies?|pictures?|stor(?:y|ies)|work|[“\"][{MASKS}])"
)
_EYE = re.compile(
    r"^[”\"'》」]?,?\s*(?:which |that )?(?:caught your eye|is in your history)", re.IGNORECASE
)


def roles(reading: CopyReading) -> Sequence[Violation]:
    """Return the names that stand in a role which the brief does not give them."""
    found = [*_wrong_credits(reading), *_wrong_history(reading)]
    return [Violation(rule="roles", words=one) for one in dict.fromkeys(found)]


def _wrong_credits(reading: CopyReading) -> Iterator[str]:
    text = reading.masked
    for found in _NAME.finditer(text):
        name = reading.names.get(found[0])
        if name is None:
            continue
        known = {role_of(relation) for relation in name.relations}
        before, after = text[: found.start()], text[found.end() :]
        for role in ROLES:
            is_before = role.before is not None and role.before.search(before) is not None
            is_after = role.after is not None and role.after.match(after) is not None
            if (
                (is_before or is_after)
                and role.name not in known
                and not _is_title(name.title, after)
            ):
                yield f"{before[-20:].strip()}…{after[:12].strip()}"
        if known == {"cast"} and _MAKES.match(after):
            yield f"…{after[:12].strip()}"


def _is_title(title: str | None, after: str) -> bool:
    """Return whether the name is a title in quotation marks: "as the director of “Heat”"."""
    return title is not None and after[:1] in "”\"'》」" and after != ""


def _wrong_history(reading: CopyReading) -> Iterator[str]:
    """Yield where the item itself stands for something that the reader saw before."""
    text = reading.masked
    for found in _NAME.finditer(text):
        name = reading.names.get(found[0])
        if name is None or not name.is_item or name.is_history or name.relations:
            continue
        liked = _LIKED.search(text[: found.start()])
        if liked is not None or _EYE.match(text[found.end() :]):
            yield reading.unmask(text[max(0, found.start() - 24) : found.end()])
