"""`ingest` of files that hold items or facts alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cron import wiring
from cron.__main__ import main
from cron.journal.dead_letters import DeadLetters
from cron.ports import START
from cron.settings.tree import Settings
from recommender.records.events import Item
from recommender.records.facts import Fact, key_of

ROWS = (
    "id\ttitle\tprice\tavailability\n"
    "TALL-1\tReading lamp\t159.00 USD\tout of stock\n"
    "DESK-2\tDesk lamp\tfree\tin stock\n"
    "null\tFloor lamp\t20 USD\tin stock\n"
    "WALL-4\tWall lamp\t35 USD\tin stock\n"
)


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    path = tmp_path / "feed.tsv"
    path.write_text(ROWS, encoding="utf-8")
    return path


def items_in(settings: Settings) -> list[Item]:
    records = wiring.open_log(settings.store.events).read(START, 100).records
    return [record for record in records if isinstance(record, Item)]


def test_a_feed_of_products_is_ingested_once(
    settings: Settings, feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", str(feed), "--shift-to-now"]) == 0
    out = capsys.readouterr().out
    assert "0 events and 2 items new to the log, 0 duplicates, 2 rejected" in out
    assert "1 rejected: price: expected a price such as 15.00 USD" in out
    assert "warning" not in out
    assert [(one.item_id, one.hidden) for one in items_in(settings)] == [
        ("TALL-1", False),
        ("WALL-4", False),
    ]
    letters = DeadLetters(Path(settings.store.var) / "dead-letters.jsonl").newest(10)
    assert sorted(letter.source for letter in letters) == [
        "ingest feed.tsv, line 3",
        "ingest feed.tsv, line 4",
    ]
    assert {letter.reason.partition(":")[0] for letter in letters} == {"price", "id"}
    assert main(["ingest", str(feed)]) == 0
    assert "0 items new to the log, 2 duplicates" in capsys.readouterr().out


def test_a_file_of_facts_is_ingested_once(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = 'head,relation,tail\nheat,director,"Mann, M."\nheat,,x\n'
    (tmp_path / "facts.csv").write_text(rows, encoding="utf-8")
    assert main(["ingest", str(tmp_path / "facts.csv")]) == 0
    out = capsys.readouterr().out
    assert "0 events, 0 items and 1 fact new to the log, 0 duplicates, 1 rejected" in out
    assert "1 rejected: head, relation and tail, none of them empty" in out
    (fact,) = wiring.open_log(settings.store.events).read(START, 100).records
    assert isinstance(fact, Fact)
    assert key_of(fact) == ("heat", "director", "Mann, M.")
    assert main(["ingest", str(tmp_path / "facts.csv")]) == 0
    assert "0 items new to the log, 1 duplicate" in capsys.readouterr().out


def test_a_setting_hides_what_is_out_of_stock(
    settings: Settings, feed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRESHET__ITEMS__HIDE_OUT_OF_STOCK", "true")
    assert main(["ingest", str(feed)]) == 0
    assert [one.hidden for one in items_in(settings)] == [True, False]


def test_json_lines_of_items_are_ingested(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lamp = {"item_id": 7, "title": "Lamp", "attributes": {"colour": ["red"]}, "hidden": True}
    path = tmp_path / "items.jsonl"
    path.write_text(f"{json.dumps(lamp)}\nno JSON\n", encoding="utf-8")
    assert main(["ingest", str(path)]) == 0
    assert "1 item new to the log, 0 duplicates, 1 rejected" in capsys.readouterr().out
    (found,) = items_in(settings)
    assert (found.item_id, found.attributes, found.hidden) == ("7", {"colour": ("red",)}, True)
