"""Check a text against its brief, rule by rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from copywriter.brief import Brief
from copywriter.verifier.length import length
from copywriter.verifier.verdict import CopyVerdict, Violation

RULES: tuple[Callable[[str, Brief], Sequence[Violation]], ...] = (length,)


def check(text: str, brief: Brief) -> CopyVerdict:
    """Return whether every rule accepts the text, with all that they object to."""
    return CopyVerdict(violations=tuple(one for rule in RULES for one in rule(text, brief)))
