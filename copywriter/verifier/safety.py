"""The rules on unsafe parts and on what is left of instructions. No brief excuses either."""

from __future__ import annotations

from collections.abc import Sequence

from copywriter.verifier.reading import CopyReading
from copywriter.verifier.verdict import Violation
from copywriter.wording.forbidden import instruction_in, unsafe_part_of


def unsafe(reading: CopyReading) -> Sequence[Violation]:
    """Return the first unsafe word, address, markup or invisible character."""
    found = unsafe_part_of(reading.text)
    return () if found is None else (Violation(rule="unsafe", words=found),)


def instructions(reading: CopyReading) -> Sequence[Violation]:
    """Return the first words that instruct a model, or that a model says of its task."""
    found = instruction_in(reading.text)
    return () if found is None else (Violation(rule="instructions", words=found),)
