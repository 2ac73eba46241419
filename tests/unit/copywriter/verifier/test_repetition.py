"""The rule on repeated wording; the names of the brief may be repeated."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM

ZH = replace(FILM, language="zh")


@pytest.mark.parametrize(
    "text",
    [
        "More more sci-fi.",
        "It is sci-fi. It is sci-fi.",
        "Have a look at it, and then have a look at it, too.",
    ],
)
def test_repeated_wording_is_rejected(text: str) -> None:
    assert "repetition" in broken_rules(text)


def test_names_may_return() -> None:
    assert "repetition" not in broken_rules("“Alien” is sci-fi, and so is “Alien”.")


def test_repeated_wording_in_chinese_is_rejected() -> None:
    assert "repetition" in broken_rules("值得一看的好片，值得一看的好片。", ZH)
    assert "repetition" in broken_rules("科幻好看好看好看。", ZH)
    assert "repetition" not in broken_rules("科幻与战争并重，与《Alien》相近。", ZH)
