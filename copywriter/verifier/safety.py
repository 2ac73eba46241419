"""The rules on unsafe parts and on what is left of instructions. No brief excuses either."""

from __future__ import annotations

import re
from collections.abc import Sequence

from copywriter.verifier.reading import CopyReading
from copywriter.verifier.verdict import Violation
from copywriter.wording.forbidden import instruction_in, unsafe_part_of

# "Title: …", "推荐语：…": what a model puts before its answer
_LABEL = re.compile(r"^\s*(?:[A-Za-z]+|[\u4e00-\u9fff]{2,5})\s*[:：]")
_ABOUT_THE_ANSWER = re.compile(
    r"\bplease\b|\b(?:this|my|the) (?:answer|response|reply|prompt|output)\b|^当然", re.IGNORECASE
)


def unsafe(reading: CopyReading) -> Sequence[Violation]:
    """Return the first unsafe word, address, markup or invisible character."""
    found = unsafe_part_of(reading.text)
    return () if found is None else (Violation(rule="unsafe", words=found),)


def instructions(reading: CopyReading) -> Sequence[Violation]:
    """Return the first words that instruct a model, or that a model says of its task."""
    found = instruction_in(reading.text)
    if found is None:
        left = _LABEL.search(reading.masked) or _ABOUT_THE_ANSWER.search(reading.masked)
        found = None if left is None else left[0].strip()
    return () if found is None else (Violation(rule="instructions", words=found),)
