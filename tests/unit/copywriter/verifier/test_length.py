"""The rule on length: empty, long and several-line texts are rejected."""

from __future__ import annotations

import pytest

from copywriter.brief import Brief
from copywriter.verifier.check import check

BRIEF = Brief(kind="reason_line", items=(), max_chars=20)


@pytest.mark.parametrize("text", ["", " \n", "A text of more than 20", "Two\nlines"])
def test_a_text_of_the_wrong_length_is_rejected(text: str) -> None:
    assert "length" in {one.rule for one in check(text, BRIEF).violations}


def test_a_text_of_exactly_the_length_is_accepted() -> None:
    assert "length" not in {one.rule for one in check("x" * 20, BRIEF).violations}
