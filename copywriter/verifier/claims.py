"""The rule on claims that need a reason: popular, new, prizes, and what the reader did."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from copywriter.verifier.reading import MASKS, CopyReading
from copywriter.verifier.verdict import Violation

_POPULAR = re.compile(
    r"\bpopular\w*|\bbest-?sell\w+|\bhits?\b|\bblockbusters?\b|\btrending\b|\bbeloved\b"
    r"|\b(?:well|much)[- ](?:loved|watched)\b|\bcrowd[- ]pleas\w+|\bevery(?:one|body)\b"
    r"|热门|受(?:到)?.{0,8}(?:欢迎|喜爱|追捧)|人气|畅销|大热|热播|大家都",
    re.IGNORECASE,
)
_NEW = re.compile(
    r"\b(?:brand-)?new\b|\bnewcomers?\b|\bnewly\b|\bfresh arrivals?\b"
    r"|\bjust (?:in|arrived|added|released|landed)\b"
    r"|新品|新作|新片|新书|新上|新到|全新|上新|刚刚?(?:上|到)|首次上架",
    re.IGNORECASE,
)
_NEVER = re.compile(
    r"\bawards?\b|\baward[- ]winning\b|\boscars?\b|\bprizes?\b|\bnominated\b"
    r"|\bcritic(?:s|ally)\b|\bacclaimed\b|\bfamous\b|\brenowned\b|\bcelebrated\b|\blegendary\b"
    r"|\bbox[- ]office\b|\biconic\b|\bcult\b|\bmasterpieces?\b|\bmust[- ]see\b"
    r"|\bfree\b|\bdiscount\w*|\bcheap\w*|\bon sale\b|\bbargains?\b|\blimited\b|\bin stock\b"
    r"|\btrue story\b|\bbased on\b|\bsequels?\b|\bprequels?\b|\bremakes?\b|\btrilogy\b|\badapt\w+"
    r"|\bw(?:on|ins?|inners?|inning)\b|\bfestivals?\b|\bacademy\b|\bchampion\w*|\brecord\b"
    r"|\bcop(?:y|ies)\b|\bstock\b|\bsold\b|\bhurry\b|\bcosts?\b|\bbudget\b|\bdollars?\b|\beuros?\b"
    r"|\b(?:shot|filmed) (?:in|on|over|within)\b|\brestored\b|\bremaster\w+|\bpremier\w+|\bdebut\w*"
    r"|\bexclusive\w*|\bofficial\w*|\bcertified\b|\brare\b|\bfriends?\b|\bneighbou?rs?\b"
    r"|\b(?:audiences?|experts?|families|thousands|millions|people|viewers|visitors|customers)"
    r"(?: \w+){0,2} (?:love|adore|choose|chose|say|said|agree|rave|talk|recommend)\w*"
    r"|\bevery(?:one|body) (?:should|must|has to|needs? to)\b"
    r"|\b(?:by|of|with|has|have|share\w*) (?:the|a|its) same name\b|\bnamesakes?\b"
    r"|\bstudies\b|\bproven\b|\bdoctors?\b|\bratings?\b|\brated\b|\bfive-star\b"
    r"|获奖|奥斯卡|金像|大奖|著名|知名|家喻户晓|经典之作|传奇|杰作|神作|必看"
    r"|免费|折扣|优惠|特价|促销|限时|限量|真实(?:故事|事件)|改编|续集|前传|翻拍|三部曲"
    r"|评分|好评|口碑|票房|戛纳|影帝|影后|奖|只剩|仅剩|库存|售罄|朋友|观众都|修复版",
    re.IGNORECASE,
)
# "We recommend it based on “Heat”": why it is recommended, not what it is made from
_BASIS = re.compile(
    rf"\b(?:recommend|suggest|pick|choos|chose|select)\w*\b[^.!?]{{0,60}}?"
    rf"\bbased on(?= your\b| [“\"]?(?P<name>[{MASKS}]))",
    re.IGNORECASE,
)
# what kind of thing an item is, and the words of a brief that say so; nobody says so of films
_KINDS = (
    (
        re.compile(r"\b(?:books?|novels?|paperbacks?)\b|小说|图书|[这一]本", re.IGNORECASE),
        frozenset({"book", "books", "novel", "novels", "author", "isbn", "publisher", "pages"}),
    ),
    (
        re.compile(r"\b(?:albums?|songs?)\b|专辑|歌曲|唱片|[这一]首|[这一]张", re.IGNORECASE),
        frozenset({"album", "albums", "song", "songs", "artist", "singer", "band", "label"}),
    ),
    (re.compile(r"\bgames?\b|游戏", re.IGNORECASE), frozenset({"game", "games", "platform"})),
)
_DID = "liked|loved|enjoyed|watched|saw|seen|read|bought|viewed|rated|picked|chose|chosen|looked"
_HISTORY = re.compile(
    r"\b(?:because|since|after|as|that|which) you(?:['’]ve)?\b"
    r"|\byou(?:['’]ve)?(?: have)?(?: just| recently| really| also| already| clearly)?"
    rf" (?:{_DID}|browsed|followed)\b"
    r"|\byour (?:history|love|tastes?|favou?rites?|interest|viewing|watchlist)\b"
    r"|\bcaught your eye\b"
    r"|你(?:曾|刚刚?|已经?|最近)?(?:看|喜欢|爱|买|关注|浏览|收藏|欣赏|读|选)(?:过|了|的)"
    r"|因为你|既然你|你的(?:喜好|口味|兴趣|历史)",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(?:if|when|whether|in case)\b[^,.;]*$|(?:如果|若)[^，。]*$", re.IGNORECASE
)


def claims(reading: CopyReading) -> Sequence[Violation]:
    """Return what the text claims without a reason in the brief for it."""
    return [
        Violation(rule="claims", words=one) for one in dict.fromkeys(_unfounded_claims(reading))
    ]


def says_popular(text: str) -> bool:
    """Return whether a text says that something is popular."""
    return _POPULAR.search(text) is not None


def says_new(text: str) -> bool:
    """Return whether a text says that something is new."""
    return _NEW.search(text) is not None


def _unfounded_claims(reading: CopyReading) -> Iterator[str]:
    reason, text = reading.brief.reason, reading.masked
    if reason is None or reason.popular_among is None:
        yield from (found[0] for found in _POPULAR.finditer(text))
    if reason is None or not reason.new:
        yield from (found[0] for found in _NEW.finditer(text))
    strings = [one.lower() for one in reading.of_brief.strings]
    for found in _NEVER.finditer(_without_basis(reading)):
        if not any(found[0].lower() in one for one in strings):
            yield found[0]
    for kind, supporting in _KINDS:
        if not supporting & reading.of_brief.value_words:
            yield from (found[0] for found in kind.finditer(text))
    if reason is None or not (reason.nearest or reason.facts or reason.shared):
        for history in _HISTORY.finditer(text):
            if not _CONDITION.search(text[: history.start()]):
                yield history[0]


def _without_basis(reading: CopyReading) -> str:
    """Return the text without what says that a recommendation is based on the history."""

    def shorten(found: re.Match[str]) -> str:
        name = reading.names.get(found["name"] or "")
        is_known = found["name"] is None or (name is not None and name.is_history)
        return found[0].removesuffix("based on") if is_known else found[0]

    return _BASIS.sub(shorten, reading.masked)
