"""What the verifier says of a text: accepted, or which rules it breaks with which words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rule = Literal[
    "names",
    "titles",
    "roles",
    "numbers",
    "dates",
    "genres",
    "comparisons",
    "claims",
    "support",
    "wording",
    "attribution",
    "predicates",
    "language",
    "length",
    "ending",
    "repetition",
    "unsafe",
    "instructions",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A rule, and the words of the text that break it."""

    rule: Rule
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyVerdict:
    """All violations of a text, in the order of the rules; it is accepted if there are none."""

    violations: tuple[Violation, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Whether the text may be shown."""
        return not self.violations
