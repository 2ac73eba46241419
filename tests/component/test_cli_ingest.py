"""`ingest` on real back ends: parts, shifts, dry runs, and files that it refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from cron import wiring
from cron.__main__ import main
from cron.journal.dead_letters import DeadLetters
from cron.ports import START
from cron.settings.tree import Settings
from cron.urls import files
from recommender.records.events import Item
from sources.formats import open_source
from tests.component.command_line import NUM_RATINGS, logged_records


def test_ingesting_twice_counts_once(
    settings: Settings, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", str(data)]) == 0
    printed = capsys.readouterr().out
    assert f"{NUM_RATINGS} events and 2 items new to the log, 0 duplicates, 1 rejected" in printed
    file = Path(settings.store.var) / "dead-letters.jsonl"
    assert f"rejected rows and their reasons are in {file}" in printed
    assert file.exists()
    assert main(["ingest", str(data)]) == 0
    assert (
        f"0 events and 0 items new to the log, {NUM_RATINGS + 2} duplicates, 1 rejected"
        in capsys.readouterr().out
    )
    records = wiring.open_log(settings.store.events).read(START, 1000).records
    assert len(records) == NUM_RATINGS + 2
    assert [record.title for record in records if isinstance(record, Item)] == [
        "Toy Story (1995)",
        "Heat (1995)",
    ]
    assert [event.at for event in logged_records(settings)] == [
        datetime.fromtimestamp(1_000_000_000 + 3600 * n, UTC) for n in range(NUM_RATINGS)
    ]
    letters = DeadLetters(Path(settings.store.var) / "dead-letters.jsonl").newest(10)
    assert "good" in letters[0].raw
    assert "ratings.csv, line 12" in letters[0].source


def test_parts_meet_without_gap_or_overlap_and_bring_all_items(
    settings: Settings, data: Path
) -> None:
    assert main(["ingest", str(data), "--part", "0:0.55"]) == 0
    first = len(logged_records(settings))
    assert main(["ingest", str(data), "--part", "0.55:1"]) == 0
    assert 0 < first < NUM_RATINGS
    assert len(logged_records(settings)) == NUM_RATINGS


def test_a_shift_ends_now_keeps_the_gaps_and_is_the_same_again(
    settings: Settings, data: Path
) -> None:
    assert main(["ingest", str(data), "--part", "0:0.5", "--shift-to-now"]) == 0
    before = logged_records(settings)
    assert datetime.now(UTC) - before[-1].at < timedelta(minutes=5)
    assert {later.at - sooner.at for sooner, later in pairwise(before)} == {timedelta(hours=1)}
    files.parse(settings.store.events).path.rename(
        Path(settings.store.var) / "gone.db"
    )  # as if it had died before storing
    assert main(["ingest", str(data), "--part", "0:0.5", "--shift-to-now"]) == 0
    assert logged_records(settings) == before


def test_of_a_longer_export_only_what_is_new_counts(
    settings: Settings, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", str(data)]) == 0
    before = logged_records(settings)
    file = data / "ratings.csv"
    file.write_bytes(
        file.read_bytes().replace(b"\n", b"\r\n")
        + f"2,2,3,{1_000_000_000 + 3600 * NUM_RATINGS}\r\n2,1,5,1000000000\r\n".encode()
    )
    capsys.readouterr()
    assert main(["ingest", str(data), "--shift-to-now", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["events"], said["duplicates"]) == (2, NUM_RATINGS + 2), (
        "a shift does not change an id, and the films are the same file"
    )
    assert logged_records(settings)[:NUM_RATINGS] == before


def test_a_dry_run_says_as_json_what_it_would_do(
    settings: Settings, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (data / "ratings.csv").open("a") as file:
        file.write("1,1,many,1000000000\n1,1,more,1000000000\n")
    assert main(["ingest", str(data), "--dry-run", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said.keys() == {
        "format",
        "events",
        "items",
        "facts",
        "users",
        "first_user",
        "types",
        "duplicates",
        "rejected",
        "first_at",
        "last_at",
        "warnings",
    }
    assert (said["rejected"], said["warnings"]) == ({"rating: expected a number": 3}, [])
    events = open_source(data).events
    assert said["events"] == len(events)
    assert said["first_user"] == next(iter(events))["user_id"]


def test_a_time_in_milliseconds_is_refused_and_moves_nothing(
    settings: Settings, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (data / "ratings.csv").open("a") as file:
        file.write("9,1,3,1000000000000\n9,1,3,1000000001000\n1,1,3,-5\n")
    assert main(["ingest", str(data), "--dry-run", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said["rejected"].values()) == [2, 1, 1], "equal faults are one, whatever was found"
    assert said["users"] == 2, "nobody without a good event"
    assert (said["first_at"], said["last_at"]) == (
        "2001-09-09T01:46:40+00:00",
        "2001-09-09T10:46:40+00:00",
    )
    assert main(["ingest", str(data), "--shift-to-now"]) == 0
    assert datetime.now(UTC) - logged_records(settings)[-1].at < timedelta(minutes=5)
    letters = DeadLetters(Path(settings.store.var) / "dead-letters.jsonl").newest(3)
    assert sorted(letter.source[-2:] for letter in letters) == ["13", "14", "15"], (
        "the lines of the file"
    )


@pytest.mark.parametrize("more", [[], ["--dry-run", "--json"], ["--shift-to-now"]])
def test_a_file_without_a_good_time_is_refused(
    more: list[str], settings: Settings, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,1,3,1000000000000\n1,1,3,1000000001000\n"
    )
    assert main(["ingest", str(data), *more]) == 1
    said = capsys.readouterr()
    place, found = "ratings.csv, line 2, column timestamp", "found 1000000000000.0"
    assert f"{place}: {found}, expected ISO 8601 or epoch seconds (milliseconds?" in said.err
    assert ("none of 2 events is valid" in said.err, said.out, logged_records(settings)) == (
        True,
        "",
        [],
    )


def test_a_table_needs_its_columns_named(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "clicks.tsv"
    table.write_text("who\twhat\twhen\nann\tshoe\t2026-01-01T10:00:00Z\nbob\that\t2026-01-02\n")
    assert main(["ingest", str(table), "--user", "who", "--item", "what"]) == 1
    assert "a table also needs --at: the column with the time" in capsys.readouterr().err
    assert main(["ingest", str(table), "--user", "who", "--item", "what", "--at", "when"]) == 0
    assert "2 events and 0 items new to the log" in capsys.readouterr().out


def test_an_empty_path_is_not_this_folder(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is empty where the command in `ingest "$(…)"` failed."""
    with pytest.raises(SystemExit) as caught:
        main(["ingest", "", "--dry-run"])
    assert caught.value.code == 2
    assert "the path is empty" in capsys.readouterr().err


def test_a_dry_run_stores_nothing(
    settings: Settings, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", str(data), "--dry-run", "--shift-to-now"]) == 0
    assert "would ingest MovieLens" in capsys.readouterr().out
    assert logged_records(settings) == []
    assert not Path(settings.store.var).exists()
