"""The rule on predicates: what a text says that an item or a person does.

A brief has what an item is, who made it and what it has in common with another. It has nothing of
what an item does to people, stands for or is known for, nor of how somebody works. All of that can
be said in words that only phrase, so the verb after such a subject must be one that states what a
brief may have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from copywriter.verifier.deeds import deeds_of_others
from copywriter.verifier.reading import MASKS, CopyReading
from copywriter.verifier.verdict import Violation
from copywriter.wording import phrasing_english

_SKIPPED = (
    r"(?:(?:also|just|really|simply|quite|even|still|always|often|never|again|truly|surely|well) )?"
)
_AUXILIARY = (
    r"(?:is|are|was|were|has|have|had|will|would|can|could|may|might|should|must|does|did|do)"
    r"(?:n['’]t| not)?(?: been| be)?"
)
_ITEM = rf"[“\"]?[{MASKS}]+[”\"]?(?: \(\d{{4}}\))?|\bit|\b(?:this|the) (?:\w+ )?(?:film|movie)"
_RELATIVE = r"\b(?:film|films|movie|movies|title|titles|one) (?:that|which)"
# without reading on: "a sci-fi film that …" has a name before the film
_DONE = re.compile(
    rf"(?=(?P<all>(?:{_ITEM}|{_RELATIVE}) {_SKIPPED}(?P<auxiliary>{_AUXILIARY} )?{_SKIPPED}"
    r"(?P<verb>[a-z]+)\b(?P<rest>[^.,;:!?]{0,16})))",
    re.IGNORECASE,
)
# how others than the reader take it
_OTHERS = re.compile(
    r"\b(?:fans|lovers|viewers|visitors|readers|listeners|people|many|most|few|everyone|everybody"
    r"|audiences?)(?: of [^.,;:!?]{1,30}?| everywhere| still| always| often| never| all| \w+ fans"
    r"| \w+ viewers| \w+ lovers)*"
    r" (?:adores?|loves?|admires?|talks?|keeps?|comes?|returns?|remembers?|enjoys?|have seen|watch"
    r"|likes?|knows?|appreciates?)\b",
    re.IGNORECASE,
)
_MODAL = re.compile(r"\b(?:can|could|may|might|should|will|would|who|that)\b", re.IGNORECASE)
_RECEIVED = re.compile(
    r"\b(?:is|are|was|were|been|be) (?:\w+ly )?"
    r"(?:loved|admired|adored|remembered|known|seen as|considered|appreciated)\b(?! by you)",
    re.IGNORECASE,
)
# where it stands among others, and how it was made
_STANDING = re.compile(
    r"\b(?:it|him|her|them)sel(?:f|ves)\b"
    r"|\b(?:category|class|league|place|world) of its own\b|\bwhat\b[^.,;:!?]{1,30}\ball about\b"
    r"|\bma(?:de|kes?|king) (?:its|an?|his|her) (?:own )?(?:way|name|place)\b"
    r"|\bnames? (?:to|in|for)\b|\bnot be the same\b"
    r"|\b(?:parts?|heart|centre|center) of (?:the|its|this) (?:\S+ ){0,3}genres?\b"
    r"|\bplace (?:in|among) (?:the )?\w+\b"
    rf"|(?<!\ba )(?<![{MASKS}] )few (?:[\w-]+ )?(?:films|movies|titles)\b"
    r"|\bwith (?:love|heart|care|a firm hand)\b|\blots? of heart\b|\bfull heart\b",
    re.IGNORECASE,
)
_STATES = """
is are was were be been has have had stars star starring starred features feature featured featuring
mixes mix mixed mixing blends blend blended blending combines combine combined combining brings
bring brought offers offer offered shares share shared goes go went going fits fit fitted suits suit
suited matches match matched pairs pair paired comes come came coming follows follow followed waits
wait waiting awaits await sits sit sitting belongs belong leans lean leads lead led links link
linked connects connect connected relates relate related resembles resemble echoes echo overlaps
overlap meets meet met adds add added joins join joined directs directed directing wrote writes
written plays played playing appears appear appeared acts acted signed created composed scored
produced made shows show shown fuses fuse fused merges merge merged weaves weave crafted released
presents presented includes include included contains contain contained deserves deserve continues
continue collides collide hails hail invites invite promises promise welcomes welcome reminds remind
sounds sound looks look calls call seems seem seemed feels feel opened ended turns handles chosen
picked selected recommended suggested based set worth begin enjoy
"""
# "takes you to", "gives “Alien” its voice", "makes good company", "might change that"
_COMPLETED = re.compile(
    rf"gives? [“\"]?[{MASKS}]|change that\b|caught your\b"
    r"|(?!surprise|delight|please|satisf|change|hook)"
    r"\w+ (?:(?:for |with )?you\b"
    r"|(?:an? )?(?:good|great|fine|nice|perfect|ideal|natural|fitting) )",
    re.IGNORECASE,
)


def predicates(reading: CopyReading) -> Sequence[Violation]:
    """Return what an item, a person or other readers do by the text, and no brief says."""
    if reading.brief.language == "zh":  # its list of phrases is shorter
        return ()
    found = dict.fromkeys(_remarks_in(reading))
    return [Violation(rule="predicates", words=one) for one in found]


def _remarks_in(reading: CopyReading) -> Iterator[str]:
    text = reading.masked
    for pattern in (_STANDING, _RECEIVED):
        yield from (reading.unmask(one[0]) for one in pattern.finditer(text))
    reason = reading.brief.reason
    is_popular = reason is not None and reason.popular_among is not None
    for found in _OTHERS.finditer(text):
        is_enjoyed = is_popular and found[0].endswith("enjoy")
        if not is_enjoyed and _MODAL.search(found[0]) is None:
            yield reading.unmask(found[0])
    for found in _DONE.finditer(text):
        if _is_remarks_in(found):
            yield reading.unmask(found["all"])
    for sentence in reading.sentences:
        yield from map(reading.unmask, deeds_of_others(sentence, _fact_verbs()))


def _is_remarks_in(found: re.Match[str]) -> bool:
    verb = found["verb"].lower()
    is_finite = found["auxiliary"] is not None or verb not in phrasing_english.base_verbs()
    if verb not in phrasing_english.verbs() or not is_finite:
        return False
    return verb not in _fact_verbs() and _COMPLETED.match(verb + found["rest"]) is None


@cache
def _fact_verbs() -> frozenset[str]:
    """Return the verbs that state what a brief may have."""
    return frozenset(_STATES.split())
