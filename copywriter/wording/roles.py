"""Roles: which relations and attributes mean a director, an actor or a brand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

RoleName = Literal[
    "director",
    "cast",
    "writer",
    "music",
    "producer",
    "camera",
    "company",
    "brand",
    "artist",
    "genre",
    "year",
    "country",
    "language",
    "rating",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role. `relation` finds it in relations; `before` and `after` stand next to its name."""

    name: RoleName
    relation: re.Pattern[str]
    before: re.Pattern[str] | None = None
    after: re.Pattern[str] | None = None


# "Ann Lee directed", "Ann Lee, who also directed"
_BEFORE_VERB = r"^[”\"'》」]?,?\s*(?:who\s+)?(?:(?:has|have|had|also|once|then|previously)\s+)*"


def _role(name: RoleName, relation: str, *, before: str = "", after: str = "") -> Role:
    return Role(
        name=name,
        relation=re.compile(relation, re.IGNORECASE),
        before=re.compile(rf"(?:{before})\s*[“\"'《「：:]?\s*$", re.IGNORECASE) if before else None,
        after=re.compile(rf"{_BEFORE_VERB}(?:{after})", re.IGNORECASE) if after else None,
    )


ROLES = (
    _role(
        "director",
        r"(?<!art[_ ])(?<!casting[_ ])direct(?!or.of)",
        before=r"\bdirect(?:ed by|ors?(?: called| named)?|ion (?:by|from))"
        r"|\b(?:helmed|told) by|\bfilm by|导演(?:是|为)?",
        after=r"directs|directed(?! by)|is (?:an?|the) (?:[\w-]+ )?director\b"
        r"|br(?:ings?|ought) it to the screen|执导|导演",
    ),
    _role(
        "cast",
        r"actor|actress|starring|\bstars?\b|cast(?!ing)|perform|played",
        before=r"\bstarring|\bstars|\bactors?|\bactress|\bplayed by|\bperformances? (?:by|from)"
        r"|主演(?:是|为)?",
        after=r"stars|plays|in (?:a|the) (?:cast|lead\w*)|主演|出演|的(?:表演|演技)",
    ),
    _role(
        "writer",
        r"writ|author|screenplay|story_by",
        before=r"\b(?:written|penned|scripted) by|\bwriter|\bauthor|\bscreenplay by"
        r"|(?:编剧|作者)(?:是|为)?",
        after=r"wrote|编剧|所著|著(?!名)",
    ),
    _role(
        "music",
        r"music|compos|score_by",
        before=r"\b(?:music|score|composed|scored) by|\bcomposer|配乐|作曲",
        after=r"composed(?! by)|作曲|配乐",
    ),
    _role(
        "producer",
        r"produc(?:er|ed)",
        before=r"\bproduced by|\bproducer|制片人?",
        after=r"produced(?! by)|制片",
    ),
    _role(
        "camera",
        r"cinematograph|photograph|camera",
        before=r"\b(?:shot|photographed) by|\bcinematograph(?:er|y by)",
        after=r"photographed(?! by)",
    ),
    _role("company", r"production_compan|studio|\bcompan(?:y|ies)"),
    _role("brand", r"brand|manufacturer|maker|publisher"),
    _role("artist", r"artist|singer|band"),
    _role("genre", r"genre|categor|subject|style"),
    _role("year", r"year"),
    _role("country", r"country"),
    _role("language", r"language"),
    _role("rating", r"(?<![a-z])rating|certificat"),
)


@lru_cache(maxsize=2048)
def role_of(relation: str) -> RoleName | None:
    """Return the role that a relation or an attribute names; None for one we have no words for."""
    for role in ROLES:
        if role.relation.search(relation) is not None:
            return role.name
    return None
