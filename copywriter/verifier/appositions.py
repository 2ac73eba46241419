"""What a text says of a title right before it or after it: "the comedy “Heat”", "喜剧片《Heat》".

Such words are said of that title, whatever the sentence goes on about. So the item has to have
them; of a title that the reader knows, the reason has to share them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from copywriter.brief import BriefItem
from copywriter.verifier.genre_claims import genres_of, shared_genres
from copywriter.verifier.names_of_brief import SupportedName, numbers_in, text_of
from copywriter.verifier.reading import MASKS, CopyReading
from copywriter.wording import phrasing_english
from copywriter.wording.genres import GENRES, genres_in

_NAME = re.compile(f"[{MASKS}]")
_YEAR = re.compile(r"(?<!\d)(?P<year>(?:1[89]|20)\d\d)(?P<decade>年代|['’]?s\b)?(?!\d)")
_NEAR = 80  # characters before a title that may be said of it
_GENRES = "|".join(genre.words.pattern for genre in GENRES)
_YEAR_OF = r"(?<!\d)(?:1[89]|20)\d\d(?:年代?|['’]?s)?(?!\d)"
_VALUE = rf"(?:[{MASKS}](?:年代?|['’]?s\b)?|{_GENRES}|{_YEAR_OF})"
# between two values: "sci-fi and war", "喜剧、惊悚", "1979年的科幻"
_JOIN = r"(?:\s*[,、，/&]\s*|\s+|[和与及兼的])?(?:(?:and|or)\s+)?"
_WORK = (
    r"(?:\s+(?:films?|movies?|pictures?|story|tale|title|work|one|favou?rite|hit|book|novel|album"
    r"|called|named|titled))*"
)
_WORK_ZH = (
    r"(?:执导|导演|主演|出演|编剧|参演|创作|拍摄|制作|出品|配乐|作曲)?的?"
    r"(?:题材|类型|类|风格|元素|色彩|味道|味)?的?"
    r"(?:电影|影片|片子|片|剧集|剧|作品|佳作|作|故事|小说|书|专辑|游戏)?的?"
)
_BEFORE = re.compile(
    rf"(?P<values>{_VALUE}(?:{_JOIN}{_VALUE})*)(?:{_WORK}|{_WORK_ZH})\s*[“\"'‘《「『]?$",
    re.IGNORECASE,
)
# "“Heat” (a comedy)", "《Heat》这部喜剧"
_AFTER = re.compile(
    r"^[”\"'’》」』]?(?:\s*[(（](?:an? |the )?|[这那](?:一?部|一?本|一?张|个|一)?的?)"
    rf"(?P<values>(?!{_YEAR_OF}){_VALUE}(?:{_JOIN}{_VALUE})*)",
    re.IGNORECASE,
)


def wrong_appositions(reading: CopyReading) -> Iterator[str]:
    """Yield a title with what is said of it right before or after, if the brief does not say so."""
    for sentence in reading.sentences:
        for found in _NAME.finditer(sentence):
            name = reading.names.get(found[0])
            if name is None or name.title is None or name.relations:
                continue
            before, after = sentence[: found.start()], sentence[found.end() :]
            stated = [_BEFORE.search(before[-_NEAR:]), _AFTER.match(after)]
            values = [one["values"] for one in stated if one is not None]
            if not all(_is_said_of(name, one, reading) for one in values):
                yield reading.unmask(f"{before[-24:]}{found[0]}{after[:12]}")


def _is_said_of(title: SupportedName, values: str, reading: CopyReading) -> bool:
    """Return whether an item of that title has the values, or the reason shares them with it."""
    items = [one for one in reading.brief.items if title.is_item and one.title == title.title]
    texts = [text for item in items for text in _texts_of(item)]
    genres = genres_of(texts)
    if title.is_history:
        genres |= shared_genres(reading.brief.reason)
    lower = {text.lower() for text in texts}
    for sign in _NAME.findall(values):
        name, form = reading.names.get(sign), reading.of_brief.forms.get(sign, "")
        is_value = name is not None and name.title is None and not _YEAR.fullmatch(form)
        if name is None or not is_value or form in phrasing_english.phrasing_words():
            continue
        is_shared = title.is_history and name.is_shared
        if not (is_shared or form in lower or _are_all_in(form, genres)):
            return False
    return all(genre.en in genres for genre, _ in genres_in(values)) and _are_years_of(
        _YEAR.finditer(_with_forms(values, reading)), [title.title or "", *texts]
    )


def _texts_of(item: BriefItem) -> Iterator[str]:
    yield from (text_of(value) for part in item.attributes for value in part.values)
    yield from (fact.name for fact in item.facts)


def _are_all_in(text: str, genres: frozenset[str]) -> bool:
    claimed = genres_of([text])
    return bool(claimed) and claimed <= genres


def _with_forms(values: str, reading: CopyReading) -> str:
    return _NAME.sub(lambda sign: reading.of_brief.forms.get(sign[0], ""), values)


def _are_years_of(years: Iterator[re.Match[str]], texts: Sequence[str]) -> bool:
    """Return whether texts have all of the years, or one of each decade."""
    known = [number for text in texts for number in numbers_in(text)]
    return all(
        any(
            one == year["year"] or (year["decade"] and one[:3] == year["year"][:3]) for one in known
        )
        for year in years
    )
