"""A folder with the fields of our records is read without options."""

from __future__ import annotations

from pathlib import Path

import pytest

from sources.formats import open_source
from sources.source import SourceError
from tests.unit.sources.data_sets import SECONDS, csv_lines, events_of, write

EVENTS = csv_lines(
    [
        ("user_id", "item_id", "type", "rating", "at"),
        ("u1", "i1", "view", "", SECONDS),
        ("u1", "i2", "rating", 4, SECONDS + 1),
    ]
)
ITEMS = csv_lines([("item_id", "title", "text", "brand"), ("i1", "Kettle", "for tea", "Zan")])


def test_events_and_items_are_read_by_their_fields(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, {"events.csv": EVENTS, "items.csv": ITEMS}))
    assert events_of(source) == [
        ("u1", "i1", "view", None, SECONDS),
        ("u1", "i2", "rating", 4.0, SECONDS + 1),
    ]
    (kettle,) = source.items
    assert (kettle["title"], kettle["attributes"]) == ("Kettle", {"brand": "Zan"})


def test_events_alone_are_views_without_items(tmp_path: Path) -> None:
    lines = csv_lines([("at", "user_id", "item_id"), (SECONDS, "u1", "i1")])
    source = open_source(write(tmp_path, {"events.csv": lines}))
    assert events_of(source) == [("u1", "i1", "view", None, SECONDS)]
    assert source.num_items == 0


def test_a_table_of_events_with_other_columns_asks_for_them(tmp_path: Path) -> None:
    lines = csv_lines([("who", "what", "when"), ("u1", "i1", SECONDS)])
    with pytest.raises(SourceError, match="any table with --user, --item and --at"):
        open_source(write(tmp_path, {"events.csv": lines}))


def test_two_files_of_items_are_refused(tmp_path: Path) -> None:
    files = {"events.csv": EVENTS, "items.csv": ITEMS, "items.tsv": ITEMS}
    with pytest.raises(SourceError, match=r"items\.csv and items\.tsv"):
        open_source(write(tmp_path, files))
