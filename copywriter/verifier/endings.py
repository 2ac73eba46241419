"""The rule on endings: a text is complete.

A model that has used up its tokens stops in the middle: "和《Heat》一样，都属于". Such a text ends
without a full stop, or with a word that something follows; the title of a row needs no full stop.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from copywriter.verifier.reading import CopyReading
from copywriter.verifier.verdict import Violation

_CLOSING = "”\"'’)） \t"
_ENDS = tuple(".!?…。！？")
_CUT_TITLE = re.compile(r"…[”\"'’]\s*$")  # "“Dr. Strangelove…”": the title ends, not the sentence
_LAST = 12  # characters of a violation
_NEEDS_MORE_ZH = re.compile(
    r"(?:属于|同属|同为|来自|源自|因为|由于|如果|若是|要是|既然|虽然|以及|或者|还有|而且|但是|比如|例如|如同"
    r"|这是|是一[部位种]|关于|对于|(?<![也就便正不还都])是|(?<!理)由|和|与|及|或|把|被|将|让|从|(?<!方)向|跟|为了"
    r"|(?:因为|既然)[你您](?:喜欢|看过)|[，、：；,:;（(《「—])$"
)
# "the kind of film you are in the mood for." is complete
_NEEDS_MORE_EN = re.compile(
    r"(?:\b(?:an?|the|and|or|but|because|than|your|their|whose|if|this is)|[,:;(“—–-])$",
    re.IGNORECASE,
)
_PATTERNS = {"en": _NEEDS_MORE_EN, "zh": _NEEDS_MORE_ZH}


def ending(reading: CopyReading) -> Sequence[Violation]:
    """Return the last words of a text that ends in the middle; an empty one is of another rule."""
    text = reading.masked.rstrip(_CLOSING)
    if not text:
        return ()
    is_ended = text.endswith(_ENDS) and _CUT_TITLE.search(reading.masked) is None
    is_open = reading.brief.kind != "row_title" and not is_ended
    rest = text.rstrip("".join(_ENDS))
    if is_open or _PATTERNS[reading.brief.language].search(rest):
        return (Violation(rule="ending", words=reading.unmask(text[-_LAST:])),)
    return ()
