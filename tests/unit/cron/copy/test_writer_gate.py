"""The gate of writers, on its fixed panel."""

from __future__ import annotations

from collections import Counter

import pytest

from copywriter.brief import Brief
from copywriter.templates.template import from_template
from cron.copy.panel import panel
from cron.copy.writer_gate import WriterScores, judge, measure, objection
from cron.errors import AccessRefused, Unavailable
from tests.planted_writer import PlantedWriter

PANEL = panel(("en", "zh"), max_chars=120)
HONEST = PlantedWriter(lambda brief, seed: from_template(brief))
LIAR = PlantedWriter(lambda brief, seed: "Steven Spielberg's best film won 11 Oscars in 1998.")


def test_the_panel_has_every_language_and_stays_the_same() -> None:
    assert len(PANEL) == len({brief.digest() for brief in PANEL}) == 64
    assert {brief.language for brief in PANEL} == {"en", "zh"}
    assert panel(("en", "zh"), max_chars=120) == PANEL


def test_an_honest_writer_is_accepted() -> None:
    verdict = judge(HONEST, PANEL, least_precision=0.3)
    assert verdict.is_accepted
    assert (verdict.scores.precision, verdict.scores.fallback_share) == (1.0, 0.0)
    assert verdict.scores.mean_chars > 10


def test_a_lying_writer_is_refused() -> None:
    """A planted writer that says what no brief supports never becomes live."""
    verdict = judge(LIAR, PANEL, least_precision=0.3)
    assert not verdict.is_accepted
    assert (verdict.scores.precision, verdict.scores.fallback_share) == (0.0, 1.0)
    assert "accepts 0%" in verdict.why


def test_one_slow_call_does_not_end_a_release() -> None:
    """A call for several texts that takes too long is made again, for one text at a time."""
    num_calls = 0

    def text(brief: Brief, seed: int) -> str:
        nonlocal num_calls
        num_calls += 1
        if num_calls == 1:
            raise Unavailable("the writer", where="here", why="no answer in 60 s")
        return from_template(brief)

    assert judge(PlantedWriter(text), PANEL, least_precision=0.3).is_accepted


def test_what_one_call_has_no_time_for_is_asked_again() -> None:
    """On a busy machine a writer finishes some of eight texts; the others are no templates."""

    def text(brief: Brief, seed: int) -> str | None:
        num_asked.update([brief.digest()])
        is_late = num_asked[brief.digest()] == 1 and brief.digest() > "8"
        return None if is_late else from_template(brief)

    num_asked = Counter[str]()
    verdict = judge(PlantedWriter(text), PANEL, least_precision=0.3)
    assert 2 in num_asked.values()
    assert (verdict.scores.precision, verdict.scores.fallback_share) == (1.0, 0.0)


def test_a_writer_that_never_answers_ends_it() -> None:
    def text(brief: Brief, seed: int) -> str:
        raise Unavailable("the writer", where="here", why="no answer in 60 s")

    with pytest.raises(Unavailable, match="no answer in 60 s"):
        judge(PlantedWriter(text), PANEL, least_precision=0.3)


def test_a_wrong_key_is_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """The one sentence is about the key, not about texts that were not written."""

    def text(brief: Brief, seed: int) -> str:
        raise AccessRefused("the writer", where="here", why="status 401", remedy="set the key")

    with pytest.raises(AccessRefused, match="status 401"):
        judge(PlantedWriter(text), PANEL, least_precision=0.3)
    assert not caplog.records


def test_a_writer_that_repeats_itself_is_refused() -> None:
    same = PlantedWriter(
        lambda brief, seed: "Worth a look." if brief.language == "en" else "值得一看。"
    )
    verdict = judge(same, PANEL, least_precision=0.3)
    assert not verdict.is_accepted
    assert "differ from each other" in verdict.why


def test_a_writer_far_worse_than_the_live_one_is_refused() -> None:
    def text(brief: Brief, seed: int) -> str:
        return from_template(brief) if int(brief.digest(), 16) % 2 else "Won 11 Oscars."

    half = PlantedWriter(text)
    alone = judge(half, PANEL, least_precision=0.3)
    assert alone.is_accepted
    live = judge(HONEST, PANEL, least_precision=0.3).scores
    assert not judge(half, PANEL, least_precision=0.3, live=live).is_accepted
    assert judge(HONEST, PANEL, least_precision=0.3, live=alone.scores).is_accepted


def test_more_templates_than_with_the_live_one_are_refused() -> None:
    """Its first texts are as good, but it gives up more often."""
    live = WriterScores(
        num_briefs=64,
        precision=0.5,
        fallback_share=0.0,
        distinct_share=1.0,
        mean_chars=50,
        texts_per_s=1.0,
    )

    def text(brief: Brief, seed: int) -> str:
        return from_template(brief) if int(brief.digest(), 16) % 2 else "Won 11 Oscars."

    verdict = judge(PlantedWriter(text), PANEL, least_precision=0.3, live=live)
    assert not verdict.is_accepted
    assert "would get templates" in verdict.why


def test_a_writer_with_unsafe_words_is_refused() -> None:
    """Nobody would see them, but it is no writer for a shop."""

    def text(brief: Brief, seed: int) -> str:
        return from_template(brief) if int(brief.digest(), 16) % 4 else "Fucking good."

    verdict = judge(PlantedWriter(text), PANEL, least_precision=0.3)
    assert not verdict.is_accepted
    assert "unsafe words" in verdict.why


def test_a_writer_that_takes_minutes_for_a_text_is_refused() -> None:
    clock = iter([0.0, 64 * 61.0])
    scores = measure(HONEST, PANEL, within_s=60.0, monotonic=lambda: next(clock))
    why = objection(scores, 0.3, None)
    assert why is not None
    assert "59 texts an hour" in why
