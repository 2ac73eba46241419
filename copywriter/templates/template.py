"""The text of a brief by templates: no model, the same text for the same brief.

Of several wordings that say the same, the title chooses one, so that the lines of a list differ.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from copywriter.brief import Brief
from copywriter.templates import chinese, english
from copywriter.templates.material import material_of
from copywriter.wording.forbidden import instruction_in, unsafe_part_of

MIN_CHARS = 20  # the shortest templates of each kind have at most as many


def from_template(brief: Brief) -> str:
    """Return the richest template that fits into `max_chars`, which is at least MIN_CHARS."""
    rest = "值得一看。" if brief.language == "zh" else "Worth a look."
    for text in _candidates(brief):
        is_safe = instruction_in(text) is None and unsafe_part_of(text) is None
        if len(text) <= brief.max_chars and is_safe:
            return text
    return rest


def _candidates(brief: Brief) -> Iterator[str]:
    """Yield texts, those that say most first; each group holds wordings of the same."""
    material = material_of(brief)
    groups = (chinese if brief.language == "zh" else english).GROUPS[brief.kind]
    for group in groups(material, brief.tone):
        if group:
            start = _turn(brief) % len(group)
            yield from (*group[start:], *group[:start])


def _turn(brief: Brief) -> int:
    """Return a number that differs between items, but never between processes."""
    title = brief.items[0].title if brief.items else None
    return zlib.crc32((title or "").encode("utf-8", "surrogatepass"))
