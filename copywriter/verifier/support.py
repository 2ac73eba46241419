"""The rule on support: each sentence says something of the brief.

A sentence without a name, a number or a genre of the brief, and without a claim that its reason
supports, cannot be checked: it is filler at best. A few words of invitation may stand alone, and so
may a question to the reader that something follows. One at the end is often the model's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from copywriter.brief import Brief
from copywriter.verifier.claims import says_new, says_popular
from copywriter.verifier.names_of_brief import numbers_in
from copywriter.verifier.reading import MASKS, CopyReading
from copywriter.verifier.verdict import Violation
from copywriter.wording.genres import genres_in

_NAME = re.compile(f"[{MASKS}]")
_QUESTION = re.compile(r"[?？][”\"’』」]?\s*$")
# "Is this what you mean? …", "Should I go on? …": of the text, not of what its reader would like
_OF_THE_TEXT = re.compile(
    r"\b(?:this|that|it|these|those|we|us|think|mean|say|ask|help|hear|tell|answer|know|speak|talk|call"
    r"|write|read|sound|sounds|work|works|use|do|one|ones|another|more|other|others)\b"
    r"|[这那它我]|告诉|觉得|知道|需要|认为",
    re.IGNORECASE,
)
_INVITATION = re.compile(
    r"\W*(?:(?:a few titles )?worth (?:a look|watching|your time|discovering)"
    r"|(?:have|take) a look(?: at (?:it|this|this one))?|something to discover"
    r"|(?:try|watch|see) (?:it|this|this one)|enjoy|see for yourself"
    r"|(?:本期几款)?值得一看|不妨(?:了解|看|试)一?[下看试]|敬请欣赏)\W*",
    re.IGNORECASE,
)


def support(reading: CopyReading) -> Sequence[Violation]:
    """Return the sentences that say nothing of the brief."""
    return [
        Violation(rule="support", words=one.strip())
        for one in reading.sentences
        if not _is_supported(one, reading)
    ]


def _is_supported(sentence: str, reading: CopyReading) -> bool:
    if _NAME.search(sentence) or _INVITATION.fullmatch(sentence):
        return True
    if _QUESTION.search(sentence) and sentence is not reading.sentences[-1]:
        return _OF_THE_TEXT.search(sentence) is None
    if any(number in reading.of_brief.numbers for number in numbers_in(sentence)):
        return True
    return bool(genres_in(sentence)) or _states_reason(sentence, reading.brief)


def _states_reason(sentence: str, brief: Brief) -> bool:
    reason = brief.reason
    if reason is None:
        return False
    is_popular = reason.popular_among is not None and says_popular(sentence)
    return is_popular or (reason.new and says_new(sentence))
