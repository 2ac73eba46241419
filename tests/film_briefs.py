"""Briefs for the tests of writers."""

from __future__ import annotations

from copywriter.brief import (
    Brief,
    BriefAttribute,
    BriefFact,
    BriefItem,
    BriefReason,
    Kind,
    Language,
    SharedFact,
)


def film_brief(
    title: str = "Blue Train",
    *,
    kind: Kind = "reason_line",
    language: Language = "en",
    director: str = "Eva Stone",
) -> Brief:
    """Return a brief about a film whose director also made one that the reader liked."""
    item = BriefItem(
        title=title,
        attributes=(BriefAttribute(name="genre", values=("Drama", "War")),),
        facts=(BriefFact(relation="director", name=director),),
    )
    fact = SharedFact(title="Old Bridge", relation="director", name=director)
    reason = BriefReason(nearest=("Old Bridge",), facts=(fact,))
    return Brief(kind=kind, items=(item,), reason=reason, language=language, max_chars=120)
