"""Tuning as the verb does it: texts of the ledger or a file, a process, the gate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from copywriter.templates.template import from_template
from copywriter.tuning.accepted_texts import AcceptedText, write_accepted
from copywriter.tuning.made_texts import SHIPPED_WORDINGS
from copywriter.tuning.options import TuningOptions
from copywriter.writing.causal import load_causal_writer
from copywriter.writing.prompts import load_prompts
from copywriter.writing.sampling import Sampling
from copywriter.writing.verified import VerifiedText
from cron.copy.tune_writer import WriterTuning, texts_of_wordings, texts_to_tune_on, tune
from cron.copy.writer_gate import judge
from cron.copy_errors import NoAcceptedTexts, WriterNotTuned
from cron.ledger import copy_rows
from cron.ledger.ledger import Ledger, open_ledger
from cron.settings.copy_settings import CopySettings
from tests.film_briefs import film_brief
from tests.tiny_writer import write_tiny_causal_model

TITLES = ("Blue Train", "Up", "Red Boat", "Old Mill", "Far Hill", "Sea", "Low Tide", "Ash")
BRIEFS = [film_brief(title) for title in (*TITLES, *(f"{title} again" for title in TITLES))]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    yield opened
    opened.close()


def store(ledger: Ledger, text: str) -> None:
    texts = [VerifiedText(brief=one, text=text, source="writer") for one in BRIEFS]
    copy_rows.store(ledger, "w1", texts)


def test_a_tuned_writer_is_judged_by_the_gate(tmp_path: Path, ledger: Ledger) -> None:
    """Before, the random model writes nothing that is accepted; after, it writes what it saw."""
    folder = write_tiny_causal_model(tmp_path / "model", scale=0.1)
    store(ledger, "Worth a look.")
    settings = CopySettings(model=str(folder), languages=("en",))
    tuning = WriterTuning(
        settings=settings,
        texts=texts_to_tune_on(ledger, settings, None),
        out=tmp_path / "tuned",
        options=TuningOptions(epochs=12, rate=2e-2),
    )
    result = tune(tuning)
    assert (result.num_texts, result.num_held_out) == (14, 2)
    assert result.loss_after < 0.5 * result.loss_before
    sampling = Sampling(temperature=0.0, max_tokens=16)
    briefs = [film_brief(title) for title in ("Cold Sun", "Owl", "Wide Lake", "Ivy")]
    precisions = []
    for model in (folder, tmp_path / "tuned"):
        writer = load_causal_writer(str(model), prompts=load_prompts(), sampling=sampling)
        verdict = judge(writer, briefs, least_precision=0.3)
        assert not verdict.is_accepted
        precisions.append(verdict.scores.precision)
    assert precisions == [0.0, 1.0]
    assert "differ from each other" in verdict.why  # it has learned one text


def test_texts_that_the_verifier_rejects_are_left_out(tmp_path: Path, ledger: Ledger) -> None:
    """An editor may show what breaks a rule, but a writer must not learn it."""
    settings = CopySettings()
    store(ledger, "The best film ever.")
    with pytest.raises(NoAcceptedTexts, match=r"no text that the verifier accepts \(16 in all\)"):
        texts_to_tune_on(ledger, settings, None)
    good = [AcceptedText(brief=one, text=from_template(one)) for one in BRIEFS]
    lie = AcceptedText(brief=BRIEFS[0], text="It won an Oscar.")
    write_accepted(tmp_path / "texts.jsonl", [lie, *good])
    assert texts_to_tune_on(ledger, settings, tmp_path / "texts.jsonl") == good
    with pytest.raises(NoAcceptedTexts, match="can't read"):
        texts_to_tune_on(ledger, settings, tmp_path / "none.jsonl")


def test_texts_of_wordings_are_in_each_language(tmp_path: Path) -> None:
    settings = CopySettings(languages=("zh", "en"))
    texts = texts_of_wordings(settings, SHIPPED_WORDINGS)
    assert {one.brief.language for one in texts} == {"zh", "en"}
    assert texts == texts_of_wordings(settings, SHIPPED_WORDINGS)
    with pytest.raises(NoAcceptedTexts, match="can't be read as wordings"):
        texts_of_wordings(settings, tmp_path)


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    tuning = WriterTuning(
        settings=CopySettings(model=str(tmp_path / "none")),
        texts=[AcceptedText(brief=one, text="Worth a look.") for one in BRIEFS],
        out=tmp_path / "tuned",
        options=TuningOptions(),
    )
    with pytest.raises(WriterNotTuned, match="none was not tuned"):
        tune(tuning)
    assert not (tmp_path / "tuned").exists()
