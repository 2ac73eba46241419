"""The final text of a brief: one that the verifier accepts, else the template."""

from __future__ import annotations

import pytest

from copywriter.brief import Brief
from copywriter.templates.template import from_template
from copywriter.verifier.check import check
from copywriter.writing.verified import VerifiedText, write_verified
from tests.film_briefs import film_brief
from tests.planted_writer import PlantedWriter

TRUE, LIE = "Blue Train is a drama by Eva Stone.", "Blue Train is a drama by Stephen Spielberg."


def write(writer: PlantedWriter, *briefs: Brief, within_s: float = 60.0) -> list[VerifiedText]:
    return list(write_verified(writer, briefs, seed=7, within_s=within_s).texts)


def test_a_true_text_is_kept() -> None:
    (found,) = write(PlantedWriter(lambda brief, seed: TRUE), film_brief())
    assert (found.text, found.source, found.rejected) == (TRUE, "writer", ())
    assert found.is_final


def test_a_lie_is_tried_again_once_with_another_seed() -> None:
    writer = PlantedWriter(lambda brief, seed: LIE if seed == 7 else TRUE)
    (found,) = write(writer, film_brief())
    assert (found.text, found.source) == (TRUE, "writer")
    assert [one.text for one in found.rejected] == [LIE]
    assert found.rejected[0].violations == check(LIE, film_brief()).violations


def test_a_writer_that_lies_twice_gets_the_template() -> None:
    """Readers never see what the facts do not support."""
    writer = PlantedWriter(lambda brief, seed: LIE)
    (found,) = write(writer, film_brief())
    assert (found.text, found.source) == (from_template(film_brief()), "template")
    assert len(found.rejected) == len(writer.asked) == 2
    assert found.is_final


def test_only_rejected_texts_are_written_again() -> None:
    writer = PlantedWriter(lambda brief, seed: TRUE)
    other = film_brief("Red Boat")
    found = write(writer, film_brief(), other)
    assert [one.source for one in found] == ["writer", "template"]
    assert [len(asked) for asked in writer.asked] == [2, 1]
    assert writer.asked[1] == [other]


@pytest.mark.parametrize("within_s", [0.0, 60.0])
def test_without_time_there_is_the_template_for_now(within_s: float) -> None:
    writer = PlantedWriter(lambda brief, seed: None)
    (found,) = write(writer, film_brief(), within_s=within_s)
    assert found.source == "template"
    assert not found.is_final  # a later call may find the time
    assert len(writer.asked) == (within_s > 0)


def test_the_tokens_of_both_tries_are_counted() -> None:
    writer = PlantedWriter(lambda brief, seed: LIE)
    made = write_verified(writer, [film_brief()], seed=0, within_s=60.0)
    assert (made.prompt_tokens, made.output_tokens) == (2, 2)
