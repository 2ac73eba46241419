"""The rule on support: a sentence that says nothing of the brief is rejected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from copywriter.brief import BriefReason
from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM

ZH = replace(FILM, language="zh")
POPULAR = replace(FILM, reason=BriefReason(popular_among="everyone"))


@pytest.mark.parametrize(
    "text",
    [
        "Sci-fi for a quiet evening.",
        "Made in 1980.",
        "“Alien” comes close.",
        "Worth a look.",
        "Curious? Try sci-fi.",
    ],
)
def test_a_sentence_with_something_of_the_brief_is_accepted(text: str) -> None:
    assert "support" not in broken_rules(text)


@pytest.mark.parametrize(
    "text",
    [
        "More sci-fi. The pick of the bunch.",
        "Delivered to your door.",
        "I hope this helps!",
        "Is this what you mean? More sci-fi.",
        "What should we say? More sci-fi.",
        "“Alien” comes close. Let me know if you need changes.",
    ],
)
def test_filler_is_rejected(text: str) -> None:
    assert "support" in broken_rules(text)


def test_a_reason_of_the_brief_is_support() -> None:
    assert "support" not in broken_rules("Popular with visitors.", POPULAR)
    assert "support" in broken_rules("Popular with visitors.")


def test_filler_in_chinese_is_rejected() -> None:
    assert "support" not in broken_rules("与《Alien》相近。值得一看！", ZH)
    assert "support" in broken_rules("与《Alien》相近。希望对你有帮助。", ZH)
