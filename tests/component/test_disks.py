"""The command line on disks that refuse writes: one sentence, and reading still works."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cron import wiring
from cron.__main__ import main
from cron.settings.tree import Settings
from cron.urls import files


@pytest.mark.parametrize("words", [["runs"], ["status", "--json"], ["config"]], ids=" ".join)
def test_a_full_standard_output_is_one_sentence(settings: Settings, words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cron", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert (
        done.stderr == "the output could not be written (No space left on device); "
        "write it elsewhere, or free space there\n"
    )


@pytest.mark.parametrize("is_open", [False, True], ids=["quiet", "open elsewhere"])
def test_what_is_kept_can_be_read_where_nothing_can_be_written(
    settings: Settings, tmp_path: Path, is_open: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (
        ["ingest", str(_ratings(tmp_path))],
        ["status"],
    ):  # each in a process of its own, which closes the files
        subprocess.run([sys.executable, "-m", "cron", *words], check=True)
    opened = wiring.open_log(settings.store.events) if is_open else None
    with _read_only(files.parse(settings.store.ledger).path.parent):
        for verb in ("status", "runs", "releases"):
            assert main([verb]) == 0
        shown = capsys.readouterr()
        assert "3 records in the log" in shown.out
        assert main(["pause"]) == 1
        assert (
            "this account must be allowed to write the file and its folder"
            in capsys.readouterr().err
        )
    del opened


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    """Refuse all writes below a folder: by its mode, or by a mount for root."""
    if os.geteuid() == 0:
        subprocess.run(["mount", "--bind", folder, folder], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
    else:
        folder.chmod(0o555)
    try:
        yield
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", "--lazy", folder], check=True)
        else:
            folder.chmod(0o755)


def _ratings(folder: Path) -> Path:
    """Write one rating of two films."""
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4.0,1000000000\n")
    (folder / "movies.csv").write_text("movieId,title,genres\n1,Heat,Crime\n2,Big,Comedy\n")
    return folder
