"""What `ingest` prints and stores for files with faults."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cron.__main__ import main
from cron.journal.dead_letters import MAX_RAW_CHARS, DeadLetters
from cron.settings.tree import Settings
from cron.urls import files

SECONDS = 1472688000
TABLE = ["--user", "u", "--item", "i", "--at", "t"]


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_file_name_that_is_not_text_is_printed(
    more: list[str],
    settings: Settings,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],  # a strict UTF-8 standard output
) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9.csv")
    file.write_text(f"u,i,t\n1,2,{SECONDS}\n")
    assert main(["ingest", str(file), *TABLE, "--dry-run", *more]) == 0
    output = capsysbinary.readouterr().out.decode()
    assert "caf\\udce9.csv" in output
    if more:
        assert json.loads(output)["format"] == f"table ({file.name})"


@pytest.mark.parametrize(
    ("files", "letters"),
    [
        (
            {
                "ratings.dat": (
                    f"7::1::4::{SECONDS}\n7::1::4::{SECONDS}\n7::1::four::{SECONDS}::\n::\n\n"
                ),
                "movies.dat": "1::Heat (1995)::Crime\nno film \n1::Heat again (1995)::Crime\n",
                "tags.dat": "no tag::\r\n",
            },
            {
                "movies.dat, line 2": "no film ",
                "movies.dat, line 3": "1::Heat again (1995)::Crime",
                "tags.dat, line 1": "no tag::",
                "ratings.dat, line 2": f"7::1::4::{SECONDS}",
                "ratings.dat, line 3": f"7::1::four::{SECONDS}::",
                "ratings.dat, line 4": "::",
            },
        ),
        (
            {
                "t.csv": (
                    f'u;i;t;x\n1;2;{SECONDS};a\n1;2;{SECONDS};b\n"1";2;never;"two\nlines"\n'
                    f'1;2;"Öpen\n3;4;{"x" * 9000}\n'
                )
            },
            {
                "t.csv, line 3": f"1;2;{SECONDS};b",
                "t.csv, line 4": '"1";2;never;"two\nlines"',
                "t.csv, line 6": '1;2;"Öpen',
                "t.csv, line 7": f"3;4;{'x' * 9000}"[:MAX_RAW_CHARS] + "…",
            },
        ),
    ],
)
def test_a_dead_letter_has_the_original_row(
    files: dict[str, str], letters: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    for name, content in files.items():
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / name).write_text(content)
    assert main(["ingest", str(tmp_path / "data"), *(TABLE if "t.csv" in files else [])]) == 0
    kept = DeadLetters(Path(settings.store.var) / "dead-letters.jsonl").newest(99)
    assert {letter.source.removeprefix("ingest "): letter.raw for letter in kept} == letters


def test_a_dead_letter_of_parquet_has_the_whole_row(settings: Settings, tmp_path: Path) -> None:
    rows = {
        "u": ["a", None, "c"],
        "i": ["x", "y", "z"],
        "t": [SECONDS] * 3,
        "more": [[1], [2, 3], []],
    }
    pq.write_table(pa.table(rows), tmp_path / "t.pq")
    assert main(["ingest", str(tmp_path / "t.pq"), *TABLE]) == 0
    (letter,) = DeadLetters(Path(settings.store.var) / "dead-letters.jsonl").newest(99)
    assert (letter.source, json.loads(letter.raw)) == (
        "ingest t.pq, line 2",
        {"u": None, "i": "y", "t": SECONDS, "more": [2, 3]},
    )


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the error output of a command that fails."""
    assert main(["ingest", *arguments]) > 0
    return capsys.readouterr().err


def test_an_impossible_working_folder_is_reported_first(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "t.csv").write_text(f"u,i,t\n1,2,{SECONDS}\n1,2,never\n")
    monkeypatch.setenv("FRESHET__STORE__VAR", "/proc/nope")
    output = refusal([str(tmp_path / "t.csv"), *TABLE], capsys)
    assert "store.var: can't write into /proc/nope" in output
    assert "Traceback" not in output
    assert not files.parse(settings.store.events).path.exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"x": "y"}', '{"x": 1e400}', "\0"])
def test_a_damaged_file_of_shifts_is_named(
    content: str, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.csv").write_text(f"u,i,t\n1,2,{SECONDS}\n")
    note = Path(settings.store.var) / "shifts.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(content)
    assert f"{note}: expected a JSON object" in refusal(
        [str(tmp_path / "t.csv"), *TABLE, "--shift-to-now"], capsys
    )
    assert note.read_text() == content


def test_items_without_any_event_are_reported(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ratings.csv").write_text(f"userId,movieId,rating,timestamp\n1,m296,5,{SECONDS}\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n296,Heat,Crime\n297,Cold,Crime\n")
    warning = (
        "no event is about any of the 2 items of movies.csv; "
        "do both files write the ids in the same way?"
    )
    assert main(["ingest", str(tmp_path), "--dry-run"]) == 0
    assert warning in capsys.readouterr().out
    assert main(["ingest", str(tmp_path), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == [warning]


def test_a_fault_has_the_files_own_path_and_column(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    early, late = tmp_path / "shop.inter", tmp_path / "t.csv"
    early.write_text("user_id:token\titem_id:token\ttimestamp:float\nu\ti\t7\n")
    assert f"{early}, line 2, column timestamp: found 7.0, expected" in refusal(
        [str(early), "--dry-run"], capsys
    )
    late.write_text(f"u,i,order_date\n1,2,{SECONDS}\n1,2,7\n1,2,never\n")
    assert (
        main(
            [
                "ingest",
                str(late),
                "--user",
                "u",
                "--item",
                "i",
                "--at",
                "order_date",
                "--dry-run",
                "--json",
            ]
        )
        == 0
    )
    reasons = json.loads(capsys.readouterr().out)["rejected"]
    assert [reason.partition(":")[0] for reason in reasons] == ["order_date", "order_date"]
