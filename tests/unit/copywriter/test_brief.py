"""Briefs: equal ones have the same digest and JSON, and a changed fact changes both."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from copywriter.brief import (
    Brief,
    BriefAttribute,
    BriefFact,
    BriefItem,
    BriefReason,
    SharedFact,
)

BRIEF = Brief(
    kind="reason_line",
    items=(
        BriefItem(
            title="Empire Strikes Back, The (1980)",
            attributes=(BriefAttribute(name="genre", values=("Sci-Fi", "War")),),
            facts=(BriefFact(relation="director", name="Irvin Kershner"),),
        ),
    ),
    reason=BriefReason(
        nearest=("Star Wars (1977)",),
        shared=(BriefAttribute(name="genre", values=("Sci-Fi",)),),
        facts=(SharedFact(title="Star Wars (1977)", relation="writer", name="George Lucas"),),
    ),
    max_chars=120,
)


def test_a_brief_comes_back_from_its_json() -> None:
    assert Brief.from_json(BRIEF.as_json()) == BRIEF
    assert Brief.from_json(BRIEF.as_json()).digest() == BRIEF.digest()


def test_a_brief_has_the_same_digest_in_every_release() -> None:
    """Stored texts are found by it: a new field of the brief makes them stale, on purpose."""
    assert BRIEF.digest() == "e3be4eeef75b3e5c7c1dc30b12edccebfdb20b3432c570c576eb4caea1fd5c29"


def test_a_changed_fact_changes_the_digest() -> None:
    other = replace(BRIEF, items=(replace(BRIEF.items[0], facts=()),))
    assert other.digest() != BRIEF.digest()
    assert replace(BRIEF, language="zh").digest() != BRIEF.digest()


def test_json_that_is_not_a_brief_says_where() -> None:
    with pytest.raises(ValueError, match="max_chars"):
        Brief.from_json(b'{"kind": "reason_line", "items": []}')


def test_a_brief_has_no_place_for_a_reader() -> None:
    """Who reads, where they live and what they wrote never enter a prompt: nothing holds them."""
    names = {field.name for kind in (Brief, BriefItem, BriefReason) for field in fields(kind)}
    assert names == {
        *("kind", "items", "reason", "audience", "tone", "language", "max_chars", "placement"),
        *("title", "attributes", "facts", "nearest", "shared", "popular_among", "new"),
    }
