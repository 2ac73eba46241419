"""Whether a writer may become live: what the verifier accepts of its texts on the panel.

It is compared with the live writer's scores on the same panel. The scores and the sentence are
stored with the writer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import msgspec

from copywriter.brief import Brief
from copywriter.writing.verified import VerifiedText, write_verified
from copywriter.writing.writer import CopyWriter
from cron.errors import AccessRefused, Unavailable
from recommender.long_work import progress_bar

log = logging.getLogger(__name__)

AT_ONCE = 8  # briefs of one call
TOLERANCE = 0.1  # of a share, on some 30 briefs
# a writer that is slower writes fewer than ten texts in the ten minutes of an hour that are its own
LEAST_TEXTS_PER_S = 1 / 60
_LEAST_DISTINCT = 0.5  # a writer that says the same of everything says nothing


class WriterScores(msgspec.Struct, frozen=True, kw_only=True):
    """What a writer did on the panel; shares are of the briefs, or of its accepted texts."""

    num_briefs: int
    precision: float  # briefs whose first text the verifier accepts
    fallback_share: float  # briefs that get the template, after two tries
    distinct_share: float  # different texts among the accepted ones
    mean_chars: float
    texts_per_s: float
    unsafe_share: float = 0.0  # briefs with a text that has an unsafe word, shown or not


class WriterVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a writer is accepted, why, and its scores."""

    is_accepted: bool
    why: str
    scores: WriterScores


def judge(
    writer: CopyWriter,
    briefs: Sequence[Brief],
    *,
    least_precision: float,
    live: WriterScores | None = None,
    within_s: float = 60.0,
) -> WriterVerdict:
    """Let a writer write the panel, and return the verdict; raise what the writer raises.

    `within_s` is the time of one call.
    """
    scores = measure(writer, briefs, within_s=within_s)
    why = objection(scores, least_precision, live)
    if why is not None:
        return WriterVerdict(is_accepted=False, why=why, scores=scores)
    good = f"the verifier accepts {scores.precision:.0%} of its first texts on the panel"
    return WriterVerdict(is_accepted=True, why=good, scores=scores)


def measure(
    writer: CopyWriter,
    briefs: Sequence[Brief],
    *,
    within_s: float,
    monotonic: Callable[[], float] = time.monotonic,
) -> WriterScores:
    """Return the scores of a writer on briefs, some at a time."""
    began = monotonic()
    texts: list[VerifiedText] = []
    with progress_bar("judging the writer", unit=" briefs", total=len(briefs)) as bar:
        for first in range(0, len(briefs), AT_ONCE):
            some = briefs[first : first + AT_ONCE]
            texts += _texts_of_call(writer, some, within_s)
            bar.update(len(some))
    seconds = monotonic() - began
    accepted = [one.text for one in texts if one.source == "writer"]
    at_once = sum(one.source == "writer" and not one.rejected for one in texts)
    num_written = len(accepted) + sum(len(one.rejected) for one in texts)
    return WriterScores(
        num_briefs=len(briefs),
        precision=at_once / len(briefs),
        fallback_share=1 - len(accepted) / len(briefs),
        distinct_share=len(set(accepted)) / max(1, len(accepted)),
        mean_chars=sum(map(len, accepted)) / max(1, len(accepted)),
        texts_per_s=num_written / max(seconds, 1e-9),
        unsafe_share=sum(map(_has_unsafe_word, texts)) / len(briefs),
    )


def _has_unsafe_word(text: VerifiedText) -> bool:
    """Return whether a rejected text has an unsafe word; markup and addresses are no words."""
    return any(
        broken.rule == "unsafe" and broken.words.replace(" ", "").isalpha()
        for one in text.rejected
        for broken in one.violations
    )


def _texts_of_call(
    writer: CopyWriter, briefs: Sequence[Brief], within_s: float
) -> Sequence[VerifiedText]:
    """Return the texts of a call; those that were not written in time are asked for one by one."""
    try:
        texts = write_verified(writer, briefs, seed=0, within_s=within_s).texts
    except AccessRefused:
        raise
    except Unavailable as error:
        log.warning("texts not written; asking for one at a time", extra={"why": str(error)})
        texts = ()
    written = {one.brief: one for one in texts if one.is_final}
    for brief in briefs:
        if brief not in written:
            (written[brief],) = write_verified(writer, [brief], seed=0, within_s=within_s).texts
    return [written[brief] for brief in briefs]


def objection(
    scores: WriterScores, least_precision: float, live: WriterScores | None
) -> str | None:
    """Return why a writer is refused; None if nothing speaks against it."""
    if scores.precision < least_precision:
        return (
            f"the verifier accepts {scores.precision:.0%} of its first texts on the panel, and "
            f"copy.min_precision is {least_precision:.0%}"
        )
    if scores.distinct_share < _LEAST_DISTINCT:
        return f"only {scores.distinct_share:.0%} of its accepted texts differ from each other"
    if scores.unsafe_share > TOLERANCE:
        return f"{scores.unsafe_share:.0%} of the panel had texts with unsafe words"
    if scores.texts_per_s < LEAST_TEXTS_PER_S:
        return (
            f"it writes {3600 * scores.texts_per_s:.0f} texts an hour, and "
            f"{3600 * LEAST_TEXTS_PER_S:.0f} are the least"
        )
    if live is not None and scores.precision < live.precision - TOLERANCE:
        return (
            f"the verifier accepts {scores.precision:.0%} of its first texts, and "
            f"{live.precision:.0%} of the live writer's"
        )
    if live is not None and scores.fallback_share > live.fallback_share + TOLERANCE:
        return (
            f"{scores.fallback_share:.0%} of the panel would get templates, and "
            f"{live.fallback_share:.0%} with the live writer"
        )
    return None
