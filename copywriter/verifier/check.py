"""Check a text against its brief, rule by rule.

The rules are strict: what they cannot find in the brief they reject, true or not. A rejected text
costs a second try or the template, while a wrong one would be read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from copywriter.brief import Brief
from copywriter.verifier.attribution import attribution
from copywriter.verifier.claims import claims
from copywriter.verifier.comparisons import comparisons
from copywriter.verifier.credits import roles
from copywriter.verifier.dates import dates
from copywriter.verifier.endings import ending
from copywriter.verifier.genre_claims import genres
from copywriter.verifier.languages import language
from copywriter.verifier.length import length
from copywriter.verifier.numbers import numbers
from copywriter.verifier.plain_wording import wording
from copywriter.verifier.predicates import predicates
from copywriter.verifier.proper_names import names
from copywriter.verifier.quoted_titles import titles
from copywriter.verifier.reading import CopyReading, read
from copywriter.verifier.repetition import repetition
from copywriter.verifier.safety import instructions, unsafe
from copywriter.verifier.support import support
from copywriter.verifier.verdict import CopyVerdict, Violation

RULES: tuple[Callable[[CopyReading], Sequence[Violation]], ...] = (
    length,
    ending,
    unsafe,
    instructions,
    language,
    names,
    titles,
    roles,
    numbers,
    dates,
    genres,
    comparisons,
    claims,
    support,
    wording,
    attribution,
    predicates,
    repetition,
)


def check(text: str, brief: Brief) -> CopyVerdict:
    """Return whether every rule accepts the text, with all that they object to."""
    reading = read(text, brief)
    return CopyVerdict(violations=tuple(one for rule in RULES for one in rule(reading)))
