"""Files in the layouts that people bring, ingested through the command.

Each is read correctly or refused with one sentence that says what to do. The layouts come from
public reports about other recommenders and readers of files; all rows are invented.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cron.__main__ import main
from cron.ports import START
from cron.wiring import open_log
from recommender.records.events import Event
from sources.formats import open_source
from sources.tables.columns import Columns
from tests.component.layout_samples import AT, MIND, DataSetCase
from tests.component.published_layouts import PUBLISHED
from tests.component.table_layouts import TABLES

LAYOUTS = TABLES | PUBLISHED


def test_a_row_of_a_part_has_its_own_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "part-0.csv").write_text(f"user,item,ts\nu1,i1,{AT}\nu2,i2,{AT}\n")
    (tmp_path / "part-1.csv").write_text("user,item,ts\nu1,i1,7\n")
    source = open_source(tmp_path, Columns(user="user", item="item", at="ts"))
    assert [source.events.place_of(line) for line, _ in source.events.with_lines(0, 3)] == [
        ("part-1.csv", 2),
        ("part-0.csv", 2),
        ("part-0.csv", 3),
    ]


def test_types_are_stored_with_their_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRESHET__STORE__EVENTS", f"sqlite:///{tmp_path}/events.db")
    monkeypatch.setenv("FRESHET__STORE__VAR", str(tmp_path / "var"))
    (tmp_path / "mind.inter").write_text(MIND)
    assert main(["ingest", str(tmp_path / "mind.inter")]) == 0
    records = open_log(f"sqlite:///{tmp_path}/events.db").read(START, 10).records
    assert sorted(record.type for record in records if isinstance(record, Event)) == [
        "click",
        "impression",
        "impression",
    ]


def ingest(
    layout: DataSetCase, folder: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    """Write the files and ingest them as a dry run; return status, output and errors."""
    folder.mkdir()
    for name, content in layout.files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (path,) = folder.iterdir() if len(layout.files) == 1 else (folder,)
    status = main(
        ["ingest", str(path), *layout.words.format(folder).split(), "--dry-run", "--json"]
    )
    printed = capsys.readouterr()
    return status, printed.out, printed.err.replace(str(folder), "")


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_read_correctly_or_refused_in_words(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = LAYOUTS[name]
    status, out, err = ingest(layout, tmp_path / "data", capsys)
    if layout.refusal:
        assert (status > 0, layout.refusal in err, "Traceback" in err) == (True, True, False), err
        return
    assert status == 0, err
    summary = json.loads(out)
    found = (
        summary["types"],
        summary["users"],
        sum(summary["rejected"].values()),
        summary["items"],
    )
    assert found == (layout.types, layout.users, layout.rejected, layout.items), summary
    warnings = "; ".join(summary["warnings"])
    assert layout.warns in warnings if layout.warns else not warnings, warnings
