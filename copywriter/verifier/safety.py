"""The rules on unsafe parts and on what is left of instructions. No brief excuses either."""

from __future__ import annotations

import re
from collections.abc import Sequence

from copywriter.verifier.reading import MASKS, CopyReading
from copywriter.verifier.verdict import Violation
from copywriter.wording.forbidden import instruction_in, unsafe_part_of
from copywriter.wording.genres import genres_in

_NAME = re.compile(f"[{MASKS}]")
# "Title: …", "推荐语：…", "In one sentence: …": what a model puts before its answer
_LABEL = re.compile(
    r"^\W*(?P<words>[^:：.!?。！？\d]{1,60}?)\s*[:：](?=\s|[“\"《]|[\u4e00-\u9fff])"
)
# nouns of an answer, and of what was asked for; "Tonight: …", "For a quiet evening: …" have none
_OF_AN_ANSWER = re.compile(
    r"\b(?:title|lines?|texts?|cop(?:y|ies)|sentences?|words?|versions?|options?|drafts?|answers?"
    r"|repl(?:y|ies)|responses?|suggestions?|recommendations?|summar(?:y|ies)|outputs?|results?|name"
    r"|captions?|headlines?|taglines?|blurbs?|messages?|notes?|translations?|examples?|prompts?"
    r"|tasks?|reason|subject|facts|briefs?|templates?|item|product|genre|kind|type|tone"
    r"|follow(?:s|ing)|say|says|said|write|written|wrote|think|ask|asked|mean)\b"
    r"|\b(?:this|that|it|these|one) (?:is|are|was|goes)\b|\b(?:this|that|it|these|short|one)\s*$",
    re.IGNORECASE,
)
_TO_THE_READER = re.compile(
    r"you (?:may|might|will|could) (?:also )?(?:like|enjoy)\b", re.IGNORECASE
)
# who writes for a shop does not say "I": it is the model, of its task
_ABOUT_THE_ANSWER = re.compile(
    r"(?<!\bto )(?<!\bwill )(?<!\bmay )(?<!\bmight )(?<!\bcan )(?<!\bcould )(?<!\bshould )"
    r"(?<!\bwould )(?<!\bsure )\bplease\b|^当然"
    r"|(?<!\bis )(?<!\bbe )\b(?:this|my|the) (?:answer|response|reply|prompt|output)\b"
    r"|\b(?-i:I)(?:['’](?:m|ve|d|ll))?\b|\b(?:me|my|mine|myself)\b",
    re.IGNORECASE,
)
# "Say that …", "Tell me …": an imperative of speech is said to who writes, not to who reads
_TOLD_TO_SPEAK = re.compile(
    r"(?:^|[,;:–—]\s*|\b(?:and|then|just|now|also|always|only)\s+)"
    r"(?:say|tell|write|speak|talk|answer|ask|mention|repeat|describe|explain|call)\b"
    r"(?! (?:hello|hi|yes|goodbye)\b)",
    re.IGNORECASE,
)


def unsafe(reading: CopyReading) -> Sequence[Violation]:
    """Return the first unsafe word, address, markup or invisible character."""
    found = unsafe_part_of(reading.text)
    return () if found is None else (Violation(rule="unsafe", words=found),)


def instructions(reading: CopyReading) -> Sequence[Violation]:
    """Return the first words that instruct a model, or that a model says of its task."""
    found = instruction_in(reading.text)
    if found is None:
        found = _label(reading) or _of_the_task(reading)
    return () if found is None else (Violation(rule="instructions", words=found),)


def _label(reading: CopyReading) -> str | None:
    """Return the words before a colon, if they say nothing of the brief but name an answer."""
    for sentence in reading.sentences:
        found = _LABEL.search(sentence)
        if found is None or _NAME.search(found[0]) or genres_in(found["words"]):
            continue
        if _TO_THE_READER.match(found["words"]):
            continue
        is_chinese = re.search(r"[\u4e00-\u9fff]", found["words"]) is not None
        if is_chinese or _OF_AN_ANSWER.search(found["words"]):
            return found[0].strip()
    return None


def _of_the_task(reading: CopyReading) -> str | None:
    """Return what a model says of itself, or what tells it to speak."""
    found = _ABOUT_THE_ANSWER.search(reading.masked)
    for sentence in reading.sentences:
        found = found or _TOLD_TO_SPEAK.search(sentence)
    return None if found is None else reading.unmask(found[0])
