"""The data that `make serve` ingests at its first start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cron.settings.tree import Settings
from deploy.machine.first_data import ingest_once
from deploy.machine.preflight import NotReady
from sources.formats import open_source
from tests.component.command_line import logged_records


def test_the_first_start_ingests_and_names_a_user(
    settings: Settings, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The user of the earliest event, whose history is in the part that was ingested."""
    note = ingest_once(Path(settings.store.var), data, os.environ)
    assert note.user_id == next(iter(open_source(data).events))["user_id"]
    printed = capfd.readouterr().out
    assert "8 events and 2 items are new" in printed
    assert "1 rejected: rating: expected a number" in printed
    assert len(logged_records(settings)) == 8
    assert ingest_once(Path(settings.store.var), None, {}) == note


def test_the_first_start_counts_facts(
    settings: Settings, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    rows = [f"u{number},i,2024-01-{number:02}" for number in range(1, 11)]
    (folder / "events.csv").write_text("\n".join(["user_id,item_id,at", *rows]))
    (folder / "facts.csv").write_text("head,relation,tail\ni,by,ann\n")
    ingest_once(Path(settings.store.var), folder, os.environ)
    assert "8 events, 0 items and 1 facts are new" in capfd.readouterr().out


def test_data_without_events_is_refused(settings: Settings, tmp_path: Path) -> None:
    """Nothing could be trained, so the machine does not start."""
    (tmp_path / "items.csv").write_text("item_id,title\n1,Brazil\n")
    with pytest.raises(NotReady):
        ingest_once(Path(settings.store.var), tmp_path, os.environ)
