"""A text as the rules read it: supported names masked, the rest divided into sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from copywriter.brief import Brief
from copywriter.verifier.names_of_brief import MASK, MAX_NAMES, BriefNames, SupportedName, names_of

MASKS = f"{chr(MASK)}-{chr(MASK + MAX_NAMES)}"
_END = re.compile(r"(?<=[.!?…])[”\"’)]*\s+|(?<=[。！？])[”」》]*\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReading:
    """A text, the same with one character for each name of the brief, and the names by these.

    In `masked` a name is one character of `MASKS`; `sentences` are those of `masked`.
    """

    text: str
    masked: str
    names: Mapping[str, SupportedName]
    sentences: Sequence[str]
    brief: Brief
    of_brief: BriefNames

    def unmask(self, words: str) -> str:
        """Return words of the masked text with an ellipsis for each name."""
        return re.sub(f"[{MASKS}]", "…", words).strip()


def read(text: str, brief: Brief) -> CopyReading:
    """Read a text by its brief. A character of the masks itself is left to the rule on safety."""
    of_brief = names_of(brief)
    names: dict[str, SupportedName] = {}

    def mask(found: re.Match[str]) -> str:
        form = found[0].lower()
        sign = of_brief.masks.get(form)
        if sign is None:  # it was found by a letter that has no lower case of its own
            return found[0]
        names[sign] = of_brief.by_form[form]
        return sign

    masked = text if of_brief.pattern is None else of_brief.pattern.sub(mask, text)
    sentences = [one for one in _END.split(masked) if one.strip()]
    return CopyReading(
        text=text,
        masked=masked,
        names=names,
        sentences=sentences,
        brief=brief,
        of_brief=of_brief,
    )
