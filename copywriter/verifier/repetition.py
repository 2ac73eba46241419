"""The rule on repeated wording: no doubled word, no sentence or run of words twice."""

from __future__ import annotations

import re
from collections.abc import Sequence

from copywriter.verifier.names_of_brief import WORD
from copywriter.verifier.reading import MASKS, CopyReading
from copywriter.verifier.verdict import Violation
from copywriter.wording.roles import role_of

RUN_WORDS = 4  # "if you like it" twice in a text
RUN_CHARS = 6  # of Chinese
_DOUBLED = re.compile(
    rf"(?<![\w{MASKS}])([^\W\d_{MASKS}]{{2,}})[\s,]+\1(?![\w{MASKS}])", re.IGNORECASE
)
_HAN_RUN = re.compile(rf"([\u4e00-\u9fff]{{{RUN_CHARS},}}).*\1")
_HAN_DOUBLED = re.compile(r"([\u4e00-\u9fff]{2,4})\1\1")


def repetition(reading: CopyReading) -> Sequence[Violation]:
    """Return repeated words, runs or sentences. Other names may return in a text."""
    masked = reading.masked
    if (name := _name_twice(reading)) is not None:
        return (Violation(rule="repetition", words=name),)
    for pattern in (_DOUBLED, _HAN_RUN, _HAN_DOUBLED):
        found = pattern.search(masked)
        if found is not None:
            return (Violation(rule="repetition", words=found[1]),)
    seen: set[tuple[str, ...]] = set()
    for part in re.split(f"[{MASKS}]", masked):
        words = [word.lower() for word in WORD.findall(part)]
        for start in range(len(words) - RUN_WORDS + 1):
            run = tuple(words[start : start + RUN_WORDS])
            if run in seen:
                return (Violation(rule="repetition", words=" ".join(run)),)
            seen.add(run)
    sentences = [one.strip().lower() for one in reading.sentences]
    twice = [one for one in sentences if len(one) > 1 and sentences.count(one) > 1]
    return (Violation(rule="repetition", words=reading.unmask(twice[0])),) if twice else ()


def _name_twice(reading: CopyReading) -> str | None:
    """Return the genre that a sentence names twice, or the title that a line does.

    "A crime drama, a mystery and a drama"; "“Heat”, a thriller. Next could be “Heat”."
    """
    is_about_one = len(reading.brief.items) < 2
    is_line = reading.brief.kind == "reason_line"
    for sign, name in reading.names.items():
        is_genre = is_about_one and name.title is None and "genre" in map(role_of, name.relations)
        in_sentence = max(sentence.count(sign) for sentence in reading.sentences)
        if name.relations and not name.is_item and len(reading.of_brief.forms[sign]) < 2:
            continue  # a genre "a" is every article
        in_text = reading.masked.count(sign) if is_line and name.is_item else 0
        if (is_genre and in_sentence > 1) or in_text > 1:
            return reading.of_brief.forms[sign]
    return None
