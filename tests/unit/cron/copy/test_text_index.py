"""The texts that may be shown, in memory: always those of the ledger."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copywriter.writing.verified import VerifiedText
from cron.copy.text_index import TextIndex
from cron.errors import FreshetError
from cron.ledger import copy_rows, writer_rows
from cron.ledger.ledger import Ledger, open_ledger
from tests.film_briefs import film_brief

BRIEFS = [film_brief(title) for title in ("Blue Train", "Red Boat", "Old Bridge")]
DIGESTS = [brief.digest() for brief in BRIEFS]
AT = datetime(2026, 3, 1, tzinfo=UTC)
Step = Literal["write", "reject", "pin", "edit", "ban", "undo", "set live", "retire", "delete old"]
STEPS = st.tuples(st.sampled_from(Step.__args__), st.integers(0, 2), st.sampled_from("vw"))  # type: ignore[attr-defined]


class SteppingClock:
    """A clock that goes on by an hour with each look."""

    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> datetime:
        self.now += timedelta(hours=1)
        return self.now


def take(ledger: Ledger, step: Step, place: int, writer: str) -> None:
    """Change the texts as a writer, an editor or an operator would."""
    brief = BRIEFS[place]
    match step:
        case "write":
            text = VerifiedText(brief=brief, text=f"By {writer}.", source="writer")
            copy_rows.store(ledger, writer, [text])
        case "reject":
            text = VerifiedText(brief=brief, text="T", source="template")
            copy_rows.store(ledger, writer, [text])
        case "pin" | "ban":
            copy_rows.decide(ledger, brief.digest(), step, None, by="ann")
        case "edit":
            copy_rows.decide(ledger, brief.digest(), step, "An editor's.", by="ann")
        case "undo":
            copy_rows.undo(ledger, brief.digest())
        case "set live":
            writer_rows.set_live(ledger, writer)
        case "retire":
            writer_rows.retire(ledger, writer)
        case "delete old":
            copy_rows.delete_old(ledger, ledger.now() - timedelta(hours=8))


@pytest.fixture(scope="module")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a ledger with two writers."""
    file = tmp_path_factory.mktemp("empty") / "ledger.db"
    ledger = open_ledger(f"sqlite:///{file}")
    for writer in "vw":
        writer_rows.add(ledger, writer, name=writer)
    ledger.close()
    return file


@given(steps=st.lists(STEPS, min_size=6, max_size=14), most=st.sampled_from((2, 100)))
@settings(max_examples=12, deadline=None)
def test_texts_in_memory_are_those_of_the_ledger(
    empty_ledger: Path, steps: Sequence[tuple[Step, int, str]], most: int
) -> None:
    """Whatever changed, in whichever order; with room for few texts a thread must ask."""
    with TemporaryDirectory() as folder:
        file = shutil.copy(empty_ledger, folder)
        ledger = open_ledger(f"sqlite:///{file}", now=SteppingClock())
        index = TextIndex(ledger, most=most)
        index.refresh()
        for step in steps:
            try:
                take(ledger, *step)
            except FreshetError:
                continue  # nothing to pin or to undo
            index.refresh()
            found = index.find(DIGESTS)
            assert found == copy_rows.ready(ledger, DIGESTS) or (found is None and most == 2)
        ledger.close()


def test_before_it_was_read_a_thread_must_ask(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    index = TextIndex(ledger)
    assert index.find(DIGESTS) is None
    index.refresh()
    assert index.find(DIGESTS) == {}
    ledger.close()
