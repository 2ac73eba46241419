"""The verb `copy` on a real ledger: what an editor sees, decides and takes back."""

from __future__ import annotations

import json

import pytest

from copywriter.verifier.verdict import Violation
from copywriter.writing.verified import RejectedText, VerifiedText
from cron import wiring
from cron.__main__ import main
from cron.ledger import copy_rows, writer_rows
from cron.settings.tree import Settings
from tests.film_briefs import film_brief

KEPT, LOST = film_brief("Blue Train"), film_brief("Red Boat")
LIE = RejectedText(text="By Bob.", violations=(Violation(rule="names", words="Bob"),))


@pytest.fixture
def texts_in_ledger(settings: Settings) -> None:
    """Store a text of a live writer, and a brief for which it wrote a lie twice."""
    ledger = wiring.open_ledger(settings.store.ledger)
    writer_rows.add(ledger, "w" * 64, name="small", version=1)
    writer_rows.set_live(ledger, "w" * 64)
    texts = [
        VerifiedText(brief=KEPT, text="A text.", source="writer"),
        VerifiedText(brief=LOST, text="T", source="template", rejected=(LIE, LIE)),
    ]
    copy_rows.store(ledger, "w" * 64, texts)
    ledger.close()


def output_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what `copy` prints with some words, which it must accept."""
    assert main(["copy", *words]) == 0
    return capsys.readouterr().out


@pytest.mark.usefixtures("texts_in_ledger")
def test_an_editor_sees_texts_and_what_was_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    assert "A text." in output_of(capsys, "list")
    rejected = output_of(capsys, "list", "--only", "rejected")
    assert "By Bob. (names: Bob)" in rejected
    assert "A text." not in rejected
    shown = json.loads(output_of(capsys, "list", "--json", "--num", "1"))
    assert len(shown) == 1
    writers = output_of(capsys, "writers")
    assert writers.startswith("live  small version 1  wwwwwwwwwwww")
    assert "broke the rule names: 2 texts" in writers
    assert json.loads(output_of(capsys, "writers", "--json"))["rules"] == {"names": 2}


@pytest.mark.usefixtures("texts_in_ledger")
def test_an_editor_decides_and_takes_it_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert "stays" in output_of(capsys, "pin", KEPT.digest())
    edited = output_of(capsys, "edit", LOST.digest(), "The best film ever.")
    assert edited.startswith("your text is shown\n")
    assert "the verifier objects (comparisons)" in edited
    assert "template" in output_of(capsys, "ban", KEPT.digest())
    assert "The best film ever." in output_of(capsys, "list", "--only", "edited")
    output_of(capsys, "undo", KEPT.digest())
    assert main(["copy", "undo", KEPT.digest()]) == 1
    assert "copy list --only edited" in capsys.readouterr().err
    assert main(["copy", "ban", "0" * 64]) == 1
    assert "copy list" in capsys.readouterr().err


@pytest.mark.usefixtures("texts_in_ledger")
def test_a_writer_is_rolled_back_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert output_of(capsys, "rollback") == "templates alone are shown now\n"
    assert main(["copy", "rollback"]) == 1
    assert capsys.readouterr().err.startswith("no writer is live")
    assert main(["copy", "release"]) == 2
    assert capsys.readouterr().err.startswith("copy.writer is not set")


@pytest.mark.usefixtures("settings")
def test_without_texts_the_list_says_how_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    assert "copy=true" in output_of(capsys, "list")
    assert "copy release" in output_of(capsys, "writers")
