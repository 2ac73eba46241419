"""The rule on language, by scripts: outside of names, English is Latin and Chinese is Han."""

from __future__ import annotations

import re
from collections.abc import Sequence

from copywriter.verifier.names_of_brief import LATIN_WORD
from copywriter.verifier.reading import CopyReading
from copywriter.verifier.verdict import Violation

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_LATIN = "A-Za-z\u00aa\u00ba\u00c0-\u024f"
_IS_HAN = re.compile(f"[{_HAN}]")
_IS_LATIN = re.compile(f"[{_LATIN}]")
_NOT_LATIN = re.compile(rf"[^\W\d_{_LATIN}]+")
_NEITHER = re.compile(rf"[^\W\d_{_LATIN}{_HAN}]+")


def language(reading: CopyReading) -> Sequence[Violation]:
    """Return the words that are not in the brief's language. Names of the brief may be in any."""
    is_chinese = reading.brief.language == "zh"
    foreign = (_NEITHER if is_chinese else _NOT_LATIN).findall(reading.masked)
    if is_chinese:
        foreign += [
            one for one in _latin_words(reading) if one.lower() not in reading.of_brief.words
        ]
    wanted = _IS_HAN if is_chinese else _IS_LATIN
    if not foreign and wanted.search(reading.masked) is None and not reading.names:
        foreign = [reading.text.strip()[:20]]
    return [Violation(rule="language", words=one) for one in foreign[:3]]


def _latin_words(reading: CopyReading) -> list[str]:
    return [one for one in LATIN_WORD.findall(reading.masked) if len(one) > 1]
