"""The rule on attribution: of an item that the reader knows, only what the reason says.

A brief has facts of the item that it is about. Of the items of the history it has titles, and what
they share with the item. So "“Alien”, directed by Ann Lee" and "both are thrillers" need a shared
fact or value, and "“Alien” is …" is never supported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from copywriter.brief import BriefReason
from copywriter.verifier.appositions import wrong_appositions
from copywriter.verifier.genre_claims import shared_genres
from copywriter.verifier.names_of_brief import SupportedName
from copywriter.verifier.reading import MASKS, CopyReading
from copywriter.verifier.several_items import of_several_items
from copywriter.verifier.verdict import Violation
from copywriter.wording.genres import GENRES
from copywriter.wording.roles import role_of

_NAME = re.compile(f"[{MASKS}]")
_YEAR = re.compile(r"\b(?:1[89]|20)\d\d\b")
_CLAUSE_END = re.compile(r"[,.;:!?—–，。：；！？]")
_CLOSED = r"^[”\"'’》」]?\s*(?:[(（]\d{4}[)）])?\s*"
_OPEN = r"\s*[“\"'‘《「]?$"
# how a text may name a known item, and go on about another one
_GOVERNED = re.compile(
    r"(?:\byou(?:['’]ve)?(?: \w+){0,3}"
    r"|\b(?:fans?|lovers?|admirers?|followers?|viewers?|readers?) of"
    r"|\b(?:those|anyone|everyone|people|viewers|readers|fans) who(?: \w+){1,3}"
    r"|\b(?:after|since|near|from|to|(?:goes|go|pairs?|fits|company|well) with|beside|alongside"
    r"|enjoyed|liked|loved|remember|like|for)"
    r"|\b(?:spirit|vein|style|mood|because|side|feel|heels|lines) of|\bmore(?: \w+)? like"
    r"|喜欢|喜爱|爱|看过|看完|看了|关注过|欣赏过|读过|听过|买过|[与和跟像从继]|类似于?|延续|接着|因为你?)"
    + _OPEN,
    re.IGNORECASE,
)
_GOVERNED_AFTER = re.compile(
    _CLOSED + r"(?:之后|以后|后|的你|的您|的人|的观众|的影迷|合你|让你|打动|的感觉|相近|相似"
    r"|风格相近|的风格|的话|意犹未尽|caught your eye|went down well|ended|led us|stayed with you"
    r"|(?:is|was) for)"
)
_PREDICATE = re.compile(
    _CLOSED + r"(?:,? ?(?:which |that |who )?(?:(?:is|was)(?! for)|are|were|has|had|stars?|starring"
    r"|features?|featuring|directed|written|made|tells|mixes|blends|combines|offers|brings|by|with|released)\b"
    r"|, (?:an?|the|another)\b|，?由|是|，?一部|的(?:导演|主演|编剧)|属于|讲|有|带有)",
    re.IGNORECASE,
)
_IS = re.compile(
    _CLOSED + r"(?:(?:is|was|remains|has been)\b(?! (?:in|on|for|one of|among|your)\b)"
    r"|是(?!你))",
    re.IGNORECASE,
)
_SAMENESS = re.compile(
    rf"\bboth\b|\bsame\b|\bshar(?:es?|ed|ing)\b|\bin common\b|\bas well\b"
    rf"|\btoo\b|\banother\b|\bagain\b"
    rf"|\blikewise\b|\bequally\b|\balso\b(?! (?:like|love|enjoy|want|suit|try|appeal))"
    rf"|(?<!\byou )(?<!\bmight )(?<!\bmay )(?<!\bwho )(?<!\bwill )\b(?:like|as in) [“\"']?[{MASKS}]"
    rf"|\band so (?:is|does|has)\b"
    rf"|都|同样|一样|同属|同为|相同|同一|共同|共享|[{MASKS}]》?也|^也|也(?:演|执导|导演|编|写|拍)",
    re.IGNORECASE,
)
_SAME_ROLE = re.compile(
    r"\b(?:the )?same (\w+)|\bshar(?:es?|ed|ing) (?:its|an?|the|their) (\w+)"
    r"|\bfrom the (\w+) (?:of|behind)\b|同一(?:位|个)?(导演|编剧|主演|演员|作曲|作家|作者|品牌)"
    r"|相同的(导演|编剧|主演|演员|作曲|作家)",
    re.IGNORECASE,
)
# "You know Ann Lee from “Alien”"
_FROM = re.compile(rf"(?P<name>[{MASKS}])(?:\s+\w+)?\s+(?:from|in|of|behind){_OPEN}")
# "a thriller, with “Alien”"; "a “Titanic” story"
_PART_OF = re.compile(rf",\s+with{_OPEN}", re.IGNORECASE)
_AN = re.compile(rf"(?<!\w)an?{_OPEN}", re.IGNORECASE)
_WORK = re.compile(rf"{_CLOSED}(?:stor(?:y|ies)|tales?|films?|movies?|kind|type|world)\b")
# "After “Alien”, Ann Lee returns": a genre may return in any item, a person has been there
_COMES_BACK = re.compile(
    r"\breturn(?:s|ed|ing)?\b|\bback\b|\bonce more\b|\breunit\w+|再[次度]|重[聚逢]"
)
# "Both films have Ann Lee", without the other's title
_BOTH = re.compile(
    r"\bboth (?:of them|films?|movies?|titles?|books?|albums?|works?|items?|stories|are|were|have"
    r"|had|star|feature|come|share|belong|offer|bring)\b"
    r"|\b(?:the )?two (?:films|movies|titles|books|albums|works|items|stories)\b"
    r"|(?:两|二)(?:部|本|张|首|款|个)[^，。]{0,4}(?:都|均|皆|同)|(?:两|二)者",
    re.IGNORECASE,
)
_ALONE = re.compile(_CLOSED + r"(?:[.,;!]|$)")
_ROLE_OF_KNOWN = re.compile(rf"\b(\w+) (?:of|behind|from){_OPEN}")
_ROLES_ZH = {
    "导演": "director",
    "编剧": "writer",
    "主演": "cast",
    "演员": "cast",
    "作曲": "music",
    "作家": "writer",
    "作者": "writer",
    "品牌": "brand",
}
_PEOPLE = frozenset({"director", "cast", "writer", "music", "producer", "artist"})
_LEADS = {"lead": "cast", "leads": "cast", "hand": "director", "pen": "writer", "kind": "genre"}


def attribution(reading: CopyReading) -> Sequence[Violation]:
    """Return what is said of an item, or as common to several, that only another one has."""
    of_known = [*_of_known_items(reading), *_of_both(reading), *_same_roles(reading)]
    found = dict.fromkeys([*of_known, *wrong_appositions(reading)])
    wrong = [Violation(rule="attribution", words=one) for one in found]
    return [*wrong, *of_several_items(reading)]


def _of_known_items(reading: CopyReading) -> Iterator[str]:
    for sentence in reading.sentences:
        for found in _NAME.finditer(sentence):
            name = reading.names.get(found[0])
            if name is None or not name.is_history or name.is_item or name.relations:
                continue
            before, after = sentence[: found.start()], sentence[found.end() :]
            if _says_too_much(reading, before, after):
                yield reading.unmask(f"{before[-24:]}{found[0]}{after[:24]}")
            elif _relates_unshared(reading, sentence):
                yield reading.unmask(sentence)


def _relates_unshared(reading: CopyReading, sentence: str) -> bool:
    """Return whether a sentence gives a known item something that the reason does not share."""
    is_same = _SAMENESS.search(sentence) is not None and _has_unshared(reading, sentence)
    comes_back = _COMES_BACK.search(sentence) is not None
    return is_same or (comes_back and _has_unshared_person(reading, sentence))


def _of_both(reading: CopyReading) -> Iterator[str]:
    """Yield sentences that say of the item and a known one, without its title, what differs."""
    if len(reading.brief.items) != 1:
        return
    for sentence in reading.sentences:
        if _BOTH.search(sentence) and _has_unshared(reading, sentence):
            yield reading.unmask(sentence)


def _says_too_much(reading: CopyReading, before: str, after: str) -> bool:
    """Return whether the words around a known item state more of it than the reason does."""
    if before.rstrip('“"《「 ').endswith(",") and _ALONE.match(after):
        return True  # "a thriller, “Alien”": nothing says how they are related
    of_known = _ROLE_OF_KNOWN.search(before)
    if _PART_OF.search(before) or (_AN.search(before) and _WORK.match(after)):
        return True
    person = _FROM.search(before)
    if person is not None and _has_unshared_person(reading, person["name"]):
        return True
    if _IS.match(after) or (of_known is not None and _is_unshared_role(reading, of_known[1])):
        return True
    predicate = _PREDICATE.match(after)
    if predicate is not None:
        rest = after[predicate.end() :]
        return _has_unshared(reading, predicate[0] + _CLAUSE_END.split(rest)[0])
    if _GOVERNED.search(before) or _GOVERNED_AFTER.match(after):
        return False
    clause = f"{_CLAUSE_END.split(before)[-1]} {_CLAUSE_END.split(after)[0]}"
    return _has_unshared(reading, clause)


def _has_unshared(reading: CopyReading, text: str) -> bool:
    """Return whether words name a fact, a genre or a year that the reason does not share."""
    if _unshared_names(reading, text):
        return True
    shared = shared_genres(reading.brief.reason)
    claimed = [genre for genre in GENRES if genre.words.search(text) is not None]
    return any(genre.en not in shared for genre in claimed) or _YEAR.search(text) is not None


def _has_unshared_person(reading: CopyReading, text: str) -> bool:
    """Return whether words name someone who is of the item alone."""
    roles = {role_of(one) for name in _unshared_names(reading, text) for one in name.relations}
    return bool(roles & _PEOPLE)


def _unshared_names(reading: CopyReading, text: str) -> list[SupportedName]:
    """Return the values in a text that the reason does not share; titles are none."""
    found = [reading.names[sign] for sign in _NAME.findall(text) if sign in reading.names]
    return [one for one in found if one.relations and one.title is None and not one.is_shared]


def _same_roles(reading: CopyReading) -> Iterator[str]:
    """Yield "the same director" where the reason shares no director."""
    for found in _SAME_ROLE.finditer(reading.masked):
        word = next(one for one in found.groups() if one is not None)
        if _is_unshared_role(reading, word):
            yield found[0]


def _is_unshared_role(reading: CopyReading, word: str) -> bool:
    """Return whether a word means a role of which the reason has nothing in common."""
    reason = reading.brief.reason or BriefReason()
    role = _ROLES_ZH.get(word) or _LEADS.get(word.lower()) or role_of(word)
    shared = {role_of(fact.relation) for fact in reason.facts}
    shared |= {role_of(part.name) for part in reason.shared}
    if "company" in shared:
        shared.add("brand")  # "From the makers of “Alien”"
    return role is not None and role not in shared
