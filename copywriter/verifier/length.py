"""The rule on length: a text is neither empty nor longer than its brief allows, on one line."""

from __future__ import annotations

from collections.abc import Sequence

from copywriter.verifier.reading import CopyReading
from copywriter.verifier.verdict import Violation


def length(reading: CopyReading) -> Sequence[Violation]:
    """Return a violation if the text is empty, too long, or has several lines."""
    text = reading.text
    if not text.strip():
        return (Violation(rule="length", words="no text"),)
    if len(text) > reading.brief.max_chars:
        return (Violation(rule="length", words=f"{len(text)} characters"),)
    if len(text.splitlines()) > 1:
        return (Violation(rule="length", words="several lines"),)
    return ()
