"""The final text of a brief: a writer's that the verifier accepts, else the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from copywriter.brief import Brief
from copywriter.ready_text import CopySource
from copywriter.templates.template import from_template
from copywriter.verifier.check import check
from copywriter.verifier.verdict import Violation
from copywriter.writing.writer import CopyWriter

TRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedText:
    """A text that the verifier did not accept, and what it objected to."""

    text: str
    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedText:
    """The text of a brief and who wrote it; `rejected` are the writer's other tries.

    Without a text of the writer and without a rejected one there was no time: a later call may
    write one.
    """

    brief: Brief
    text: str
    source: CopySource
    rejected: tuple[RejectedText, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether asking again would give the same."""
        return self.source == "writer" or len(self.rejected) >= TRIES


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedTexts:
    """A text for each brief in their order, and the tokens that the writer used."""

    texts: tuple[VerifiedText, ...]
    prompt_tokens: int
    output_tokens: int


def write_verified(
    writer: CopyWriter, briefs: Sequence[Brief], *, seed: int, within_s: float
) -> VerifiedTexts:
    """Write, check, write the rejected ones once again, and take templates for the rest.

    Raise what the writer raises.
    """
    ends_at = monotonic() + within_s
    accepted: dict[int, str] = {}
    rejected: dict[int, list[RejectedText]] = {place: [] for place in range(len(briefs))}
    prompt_tokens = output_tokens = 0
    waiting = list(range(len(briefs)))
    for number in range(TRIES):
        left_s = ends_at - monotonic()
        if not waiting or left_s <= 0:
            break
        asked = [briefs[place] for place in waiting]
        answer = writer.write(asked, seed=seed + number, within_s=left_s)
        prompt_tokens += answer.prompt_tokens
        output_tokens += answer.output_tokens
        for place, text in zip(waiting, answer.texts, strict=True):
            _add_checked(place, briefs[place], text, accepted, rejected)
        waiting = [place for place in waiting if len(rejected[place]) == number + 1]
    texts = [
        _final_text(brief, accepted.get(place), tuple(rejected[place]))
        for place, brief in enumerate(briefs)
    ]
    return VerifiedTexts(
        texts=tuple(texts), prompt_tokens=prompt_tokens, output_tokens=output_tokens
    )


def _add_checked(
    place: int,
    brief: Brief,
    text: str | None,
    accepted: dict[int, str],
    rejected: dict[int, list[RejectedText]],
) -> None:
    """Check a text and add it to the accepted or the rejected ones."""
    if text is None:
        return
    verdict = check(text, brief)
    if verdict.is_accepted:
        accepted[place] = text
    else:
        rejected[place].append(RejectedText(text=text, violations=verdict.violations))


def _final_text(brief: Brief, text: str | None, rejected: tuple[RejectedText, ...]) -> VerifiedText:
    if text is not None:
        return VerifiedText(brief=brief, text=text, source="writer", rejected=rejected)
    return VerifiedText(
        brief=brief, text=from_template(brief), source="template", rejected=rejected
    )
