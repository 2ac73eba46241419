"""`recommend` with a real gateway: files in, lists out, and what is refused."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from cron.__main__ import main
from cron.settings.tree import Settings
from tests.component import story
from tests.component.gateway_process import RunningGateway, run_gateway


@pytest.fixture
def running(tmp_path: Path, settings: Settings) -> Iterator[RunningGateway]:
    """Serve a gateway; the settings are for the verb."""
    file = tmp_path / "story.db"
    story.tell(file).close()
    folder = tmp_path / "gateway"
    folder.mkdir()
    with run_gateway(folder, file) as running:
        yield running


def recommend(running: RunningGateway, *arguments: object) -> int:
    url = str(running.client.base_url)
    return main(["recommend", *map(str, arguments), "--url", url])


def test_users_of_a_table_get_rows_of_parquet(running: RunningGateway, tmp_path: Path) -> None:
    users, out = tmp_path / "users.csv", tmp_path / "lists.parquet"
    users.write_text('name,user_id\nAnn,007\n"Ben, the 2nd",ü/%2F\n', encoding="utf-8")
    assert recommend(running, users, "--out", out, "--k", 1, "--filter", '{"genre": "Comedy"}') == 0
    assert parquet.read_table(out).drop_columns(["recommendation_id"]).to_pylist() == [
        {
            "user_id": user,
            "rank": 1,
            "item_id": "7",
            "title": "Film 7",
            "score": 1.5,
            "rating": None,
            "model_version": 3,
            "policy": "greedy",
        }
        for user in ("007", "ü/%2F")
    ]
    assert running.model.asked[-1]["filter"] == {"genre": "Comedy"}
    assert recommend(running, users, "--out", out, "--placement", "none") == 1
    assert [one.name for one in tmp_path.glob("lists*")] == ["lists.parquet"]


@pytest.mark.parametrize("name", ["lists.csv", "lists.parquet"])
def test_a_file_of_lists_has_the_rights_that_its_user_wants(
    running: RunningGateway, tmp_path: Path, name: str
) -> None:
    """It is for another system, unlike the files of the program."""
    (tmp_path / "users.csv").write_text("user_id\nann\n")
    mask = os.umask(0o027)
    try:
        assert recommend(running, tmp_path / "users.csv", "--out", tmp_path / name) == 0
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640


def test_numbers_of_parquet_are_users(running: RunningGateway, tmp_path: Path) -> None:
    users, out = tmp_path / "users.parquet", tmp_path / "lists.jsonl"
    parquet.write_table(pa.table({"id": [7, 8]}), users)
    assert recommend(running, users, "--user", "id", "--out", out) == 0
    answers = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [one["user_id"] for one in answers] == ["7", "8"]


def test_more_users_than_a_call_takes_keep_their_order(
    running: RunningGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"user-{place}" for place in range(1_001)]
    users = tmp_path / "users.tsv"
    users.write_text("\n".join(["user_id", *names]), encoding="utf-8")
    assert recommend(running, users, "--k", 1) == 0
    printed = capsys.readouterr()
    rows = printed.out.splitlines()
    assert rows[0].startswith("user_id,rank,item_id")
    assert [row.split(",")[0] for row in rows[1:]] == names
    assert "wrote 1,001 lists, 0 refused" in printed.err


def test_bodies_that_are_refused_are_counted(
    running: RunningGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    users, out = tmp_path / "users.jsonl", tmp_path / "lists.jsonl"
    users.write_text('{"history": ["1"]}\n\n{"user_id": "ann", "k": 0}\n', encoding="utf-8")
    assert recommend(running, users, "--out", out) == 1
    assert len(out.read_text(encoding="utf-8").splitlines()) == 1
    error = capsys.readouterr().err
    assert "wrote 1 list" in error
    assert "1 refused" in error
    assert "expected a whole number from 1 to 1000" in error


def test_popular_lists_are_counted(
    running: RunningGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running.model.stop()
    users = tmp_path / "users.csv"
    users.write_text("user_id\nann\n", encoding="utf-8")
    assert recommend(running, users) == 0
    assert "1 list of them hold popular items" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("users.xls", "", "expected one of .csv"),
        ("users.csv", "user,at\nann,1\n", "--user COLUMN"),
        ("users.csv", "user_id,at\nann,1\n,2\n", "row 2: user_id is empty"),
        ("users.jsonl", '{"user_id": "ann"}\n{\n', "line 2: not JSON"),
        ("users.jsonl", "[" * 100_000, "line 1: not JSON"),
        ("users.jsonl", "7\n", "line 1: found a JSON int"),
        ("users.parquet", "no table", "can't be read"),
        ("missing.csv", None, "missing.csv does not exist"),
    ],
)
def test_a_bad_file_is_named_and_leaves_the_old_lists(
    running: RunningGateway,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: str | None,
    reason: str,
) -> None:
    users, out = tmp_path / name, tmp_path / "lists.csv"
    if content is not None:
        users.write_text(content, encoding="utf-8")
    out.write_text("old", encoding="utf-8")
    assert recommend(running, users, "--out", out) == 1
    error = capsys.readouterr().err
    assert str(users) in error
    assert reason in error
    assert out.read_text(encoding="utf-8") == "old"
    assert not out.with_name("lists.csv.part").exists()
