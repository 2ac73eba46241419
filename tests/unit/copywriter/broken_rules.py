"""Which rules a text breaks: the tests of each rule ask it."""

from __future__ import annotations

from copywriter.brief import Brief
from copywriter.verifier.check import check
from copywriter.verifier.verdict import Rule
from tests.unit.copywriter.made_up_briefs import FILM


def broken_rules(text: str, brief: Brief = FILM) -> set[Rule]:
    """Return the rules that a text breaks by a brief."""
    return {one.rule for one in check(text, brief).violations}
