"""Genres in English and Chinese: their names, and the words of a sentence that claim them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from copywriter.brief import Language


@dataclass(frozen=True, slots=True, kw_only=True)
class Genre:
    """A genre: `en` and `zh` are its names, `words` a pattern of what claims it in a text."""

    en: str
    zh: str
    words: re.Pattern[str]


def _genre(en: str, zh: str, *, words: str, words_zh: str = "") -> Genre:
    pattern = rf"(?<![A-Za-z])(?:{words})(?![A-Za-z])|{words_zh or zh}"
    return Genre(en=en, zh=zh, words=re.compile(pattern, re.IGNORECASE))


GENRES = (
    _genre("action", "动作", words="action"),
    _genre("adventure", "冒险", words="adventur(?:e|es|ous)", words_zh="冒险|历险"),
    _genre(
        "animation", "动画", words="animat(?:ion|ed|ions)|cartoons?|anime", words_zh="动画|动漫"
    ),
    _genre(
        "children’s",
        "儿童",
        words="child(?:ren)?['’]?s|kids?|(?<!about )(?<!of )children",  # not what a plot is about
        words_zh="儿童|少儿|亲子",
    ),
    _genre(
        "comedy",
        "喜剧",
        words="comed(?:y|ies|ic)|comic|funny|hilarious|rom-?com",
        words_zh="喜剧|搞笑",
    ),
    _genre(
        "crime", "犯罪", words="crimes?|criminals?|heists?|gangsters?|mafia", words_zh="犯罪|黑帮"
    ),
    _genre("documentary", "纪录片", words="documentar(?:y|ies)", words_zh="纪录"),
    _genre("drama", "剧情", words="dramas?"),
    _genre("family", "家庭", words="family"),
    _genre("fantasy", "奇幻", words="fantas(?:y|ies)", words_zh="奇幻|魔幻"),
    _genre("film noir", "黑色电影", words="(?:film[- ])?noir"),
    _genre("history", "历史", words="(?<!your )histor(?:y|ical)"),
    _genre("horror", "恐怖", words="horrors?|scary|terrifying|slashers?", words_zh="恐怖|惊悚恐怖"),
    _genre("musical", "音乐剧", words="musicals?", words_zh="音乐剧|歌舞"),
    _genre("mystery", "悬疑", words="myster(?:y|ies)|whodunn?its?", words_zh="悬疑|推理"),
    _genre(
        "romance",
        "爱情",
        words="romances?|romantic|love stor(?:y|ies)|rom-?com",
        words_zh="爱情|浪漫",
    ),
    _genre("sci-fi", "科幻", words="sci-?fi|science[- ]fiction"),
    _genre("sport", "体育", words="sports?", words_zh="体育|运动"),
    _genre("thriller", "惊悚", words="thrillers?", words_zh="惊悚"),
    _genre("war", "战争", words="wars?|wartime"),
    _genre("western", "西部", words="westerns?"),
    _genre("biography", "传记", words="biograph(?:y|ies|ical)|biopics?"),
    _genre("superhero", "超级英雄", words="superhero(?:es)?"),
    _genre("spy", "谍战", words="sp(?:y|ies)|espionage", words_zh="谍战|间谍"),
    _genre("jazz", "爵士", words="jazz"),
    _genre("hip-hop", "嘻哈", words="hip-hop|rap"),
    _genre("opera", "歌剧", words="operas?"),
)


def genres_in(text: str) -> tuple[tuple[Genre, str], ...]:
    """Return the genres that a text claims, each with its first words."""
    found = [(genre, genre.words.search(text)) for genre in GENRES]
    return tuple((genre, words[0]) for genre, words in found if words is not None)


@lru_cache(maxsize=2048)
def display_genre(value: str, language: Language) -> str:
    """Return the name of a catalogue's value in a language; other values stay as they are."""
    for genre in GENRES:
        if genre.words.fullmatch(value) is not None or value.lower() in (genre.en, genre.zh):
            return genre.en if language == "en" else genre.zh
    return value
