"""Texts that are ready for the gateway, and briefs that it showed without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from copywriter.brief import Brief
from copywriter.ready_text import ReadyText
from copywriter.writing.verified import VerifiedText
from cron.copy.ready_texts import ReadyTexts
from cron.ledger import copy_cost_rows, copy_rows, wanted_rows, writer_rows
from cron.ledger.ledger import Ledger, open_ledger
from tests.component.at_work import until
from tests.film_briefs import film_brief

BLUE, RED = film_brief("Blue Train"), film_brief("Red Boat")


def by_digest(*briefs: Brief) -> dict[str, Brief]:
    return {brief.digest(): brief for brief in briefs}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    yield opened
    opened.close()


def test_texts_come_from_the_ledger(ledger: Ledger) -> None:
    writer_rows.add(ledger, "w", name="small")
    writer_rows.set_live(ledger, "w")
    copy_rows.store(ledger, "w", [VerifiedText(brief=BLUE, text="A", source="writer")])
    ready = ReadyTexts(ledger)
    found = ready.texts([BLUE.digest(), RED.digest()])
    assert {digest: one.text for digest, one in found.items()} == {BLUE.digest(): "A"}


def test_wanted_briefs_are_stored_when_it_closes(ledger: Ledger) -> None:
    ready = ReadyTexts(ledger, flush_s=600.0)
    ready.want(by_digest(BLUE))
    ready.want(by_digest(BLUE, RED))
    assert wanted_rows.count(ledger) == 0  # an answer does not wait for the ledger
    ready.close()
    assert wanted_rows.most_wanted(ledger, 5) == (BLUE, RED)


def test_shown_texts_are_counted_without_a_writer(ledger: Ledger) -> None:
    ready = ReadyTexts(ledger, has_writer=False, flush_s=600.0)
    ready.count_shown([ReadyText(text="A", source="template")] * 3)
    ready.want(by_digest(BLUE))
    ready.close()
    assert copy_cost_rows.shown_in(ledger, 1) == {"template": 3}
    assert wanted_rows.count(ledger) == 0


def test_wanted_briefs_are_stored_every_few_seconds(ledger: Ledger) -> None:
    ready = ReadyTexts(ledger, flush_s=0.01)
    ready.want(by_digest(BLUE))
    until(lambda: wanted_rows.count(ledger) == 1)
    ready.close()


def test_a_ledger_that_is_away_costs_no_answer(tmp_path: Path) -> None:
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    ready = ReadyTexts(opened, flush_s=600.0)
    ready.want(by_digest(BLUE))
    opened.close()
    (tmp_path / "ledger.db").unlink()
    (tmp_path / "ledger.db").mkdir()
    ready.close()
