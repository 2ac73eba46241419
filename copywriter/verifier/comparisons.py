"""The rule on comparisons: a brief compares nothing, so a text says neither better nor best."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from copywriter.verifier.reading import CopyReading
from copywriter.verifier.verdict import Violation

_AMONG_POPULAR = re.compile(
    r"\b(?:one of|among)(?: our| the)* most (?:popular|watched)\b", re.IGNORECASE
)
_COMPARISON = re.compile(
    r"""
    \b(?:better|worse|superior|inferior|outshines?|outclass\w*|outdo\w*|surpass\w*|beats?|tops
       |rivals?|unrivall?ed|unmatched|unbeatable|unparallell?ed|incomparable|peerless)\b
  | \b(?:best|worst|greatest|finest|ultimate|favou?rites?|supreme|unique)\b
  | \bonly \s (?:film|one|movie|item|book)\b | \bsecond \s to \s none\b
  | \b(?:most|least|more|less) (?: \s+ \w+){0,3} \s+ (?:ever|than|of \s all)\b
  | \bthe \s+ (?:most|least)\b
  | \b(?:most|least) \s+ (?!of\b)
        \w+(?:ed|ing|ful|ous|ive|al|ant|ent|ic|ar|able|ible|y)\b
  | \bthan\b | \btop[- ](?:\d+|rated|selling|notch|tier)\b
  | \bnumber[- ]one\b | \bno\.? \s? 1\b | \# \s? 1\b
  | \bof \s all \s time\b | \bever \s (?:made|written|seen|filmed)\b | \blike \s no \s other\b
  | \b\w{2,}est\b
  | \bas \s (?!well\b|soon\b|if\b|you\b|a\b|the\b|in\b|it\b) \w+ \s as\b
  | \bas \s (?:good|great|fine|strong)\b | \bno \s other\b
  | \b(?:few|no) \s \w+ \s (?:are|is|can|comes?|match\w*|has|have)\b
  | \b(?:nothing|none|nobody) (?:\s \w+)? \s (?:comes?|compares?|matches|like)\b
  | \b(?:above|ahead \s of) \s (?:the \s rest|all|others)\b | \bcut \s above\b
  | \bsteps? \s (?:up|down|above|below|ahead|beyond)\b
  | \bfar \s behind\b | \b(?:hard|tough) \s to \s beat\b | \bone \s of \s a \s kind\b
  | \b(?:without|no) \s (?:equal|rival)s?\b
  | \b(?:class \s (?:apart|of \s its \s own)|head \s and \s shoulders|in \s every \s respect)\b
  | \b(?:leaders?|foremost|premier|compare[ds]?|prefer\w*|outranks?|ranks?|ranked)\b
  | 最(?![近后终初]) | 比[^如较赛例]{1,12}(?:更|还|要|好|强|高|精彩) | 更(?!多|新)
  | 胜过 | 远胜 | 胜于 | 强过 | 超越 | 超过 | 领先 | 不如 | 优于 | 好于 | 媲美 | 相比 | 可比 | 之最
  | 没有(?:哪|任何|一) | 数一数二 | 佼佼者
  | 第一(?!次) | 唯一 | 独一无二 | 无与伦比 | 首屈一指 | 史上 | 顶级 | 榜首 | 冠军 | 无人能及
    """,
    re.IGNORECASE | re.VERBOSE,
)
_OTHERS_IN_EST = """
forest west interest guest quest request rest test contest protest chest midwest tempest conquest
crest nest vest harvest honest modest earnest suggest invest fest arrest pest jest zest priest
digest manifest behest bequest northwest southwest
"""


def comparisons(reading: CopyReading) -> Sequence[Violation]:
    """Return comparisons and superlatives, but for "one of the most popular" of a popular item."""
    return [
        Violation(rule="comparisons", words=one) for one in dict.fromkeys(_superlatives(reading))
    ]


def _superlatives(reading: CopyReading) -> Iterator[str]:
    text, reason = reading.masked, reading.brief.reason
    if reason is not None and reason.popular_among is not None:
        text = _AMONG_POPULAR.sub("popular", text)
    others = frozenset(_OTHERS_IN_EST.split())
    for found in _COMPARISON.finditer(text):
        if found[0].lower() not in others:
            yield reading.unmask(found[0])
