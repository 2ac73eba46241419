"""Arguments that a verb cannot use: one sentence, before anything else is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from cron.__main__ import main
from cron.settings.tree import Settings

NOBODY_THERE = "http://127.0.0.1:9"  # a call would wait for minutes


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("folder.csv", "folder.csv: it is a folder; name a file in it"),
        ("missing/lists.csv", "missing does not exist; make it first"),
        ("users.csv/lists.parquet", "users.csv does not exist; make it first"),
    ],
)
def test_lists_go_into_a_folder_that_is_there(
    settings: Settings,
    tmp_path: Path,
    out: str,
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    users = tmp_path / "users.csv"
    users.write_text("user_id\nann\n")
    (tmp_path / "folder.csv").mkdir()
    words = ["recommend", str(users), "--out", str(tmp_path / out), "--url", NOBODY_THERE]
    assert main(words) == 1
    assert capsys.readouterr().err.rstrip().endswith(reason)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("folder.toml", "folder.toml is not a file"),
        ("missing.toml", "missing.toml does not exist"),
        ("/proc/self/mem", "/proc/self/mem: can't be read (Input/output error)"),
    ],
)
def test_settings_come_from_a_file_that_can_be_read(
    tmp_path: Path, config: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.toml").mkdir()
    assert main(["status", "--config", str(tmp_path / config)]) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["ingest", "replay"])
def test_an_empty_path_is_not_this_folder(
    settings: Settings, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([verb, ""])
    assert "the path is empty" in capsys.readouterr().err


def test_whatever_fails_with_a_path_is_one_sentence(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    users, part = tmp_path / "users.csv", tmp_path / "lists.csv.part"
    users.write_text("user_id\nann\n")
    part.mkdir()
    words = ["recommend", str(users), "--out", str(tmp_path / "lists.csv"), "--url", NOBODY_THERE]
    assert main(words) == 1
    assert capsys.readouterr().err == f"{part}: Is a directory\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("runs --limit 0", "--limit: '0' is not a whole number above 0"),
        ("runs --limit 99999999999999999999", "is not a whole number above 0"),
        ("copy list --num -1", "--num: '-1' is not a whole number above 0"),
        ("copy tune --epochs 0 --wordings", "--epochs: '0' is not a whole number above 0"),
        ("copy tune --rate nan --wordings", "--rate: 'nan' is not a number above 0"),
        ("recommend users.csv --k -3", "--k: '-3' is not a whole number above 0"),
        ("recommend users.csv --url nonsense", "--url: 'nonsense' is not an address such as http"),
        ("visit --url ftp://shop", "is not an address"),
        ("visit --url http://[::", "is not an address"),
        ("visit --url http://127.0.0.1:99999", "is not an address"),
        ("evaluate --policy {", "--policy: found '{', expected a JSON object"),
    ],
)
def test_a_wrong_value_names_its_option(
    settings: Settings, words: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words.split())
    assert reason in capsys.readouterr().err


def test_a_tuned_model_replaces_no_folder(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["copy", "tune", "--wordings", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"{tmp_path} exists; name a new folder with --out\n"
