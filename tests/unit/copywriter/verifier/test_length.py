"""The rule on length: empty, long and several-line texts are rejected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM

SHORT = replace(FILM, max_chars=20)


@pytest.mark.parametrize("text", ["", " \n", "A text of more than 20", "Two\nlines"])
def test_a_text_of_the_wrong_length_is_rejected(text: str) -> None:
    assert "length" in broken_rules(text, SHORT)


def test_a_text_of_exactly_the_length_is_accepted() -> None:
    assert "length" not in broken_rules("x" * 20, SHORT)
