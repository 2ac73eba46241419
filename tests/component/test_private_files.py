"""Only the owner can read what we write, and what an earlier version left open."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cron.project_root import PROJECT_ROOT
from cron.settings.private_files import close_to_others
from cron.settings.tree import StoreSettings


def open_to_others(folder: Path) -> list[str]:
    """Return what other accounts have rights on in a folder, itself included; links are skipped."""
    found = [path for path in (folder, *folder.rglob("*")) if not path.is_symlink()]
    return [str(path.relative_to(folder)) for path in found if path.stat().st_mode & 0o077]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return an installation left by an earlier version, with a link to a stranger's file."""
    for name in (
        "var/journal/seen.db",
        "var/dead-letters.jsonl",
        "archives/journal/1.parquet",
        "ledger.db",
        "ledger.db-wal",
        "beside",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        file.chmod(0o644)
    for folder in ("var", "var/journal", "archives", "archives/journal"):
        (tmp_path / folder).chmod(0o755)
    (tmp_path / "var" / "link").symlink_to(tmp_path / "beside")
    return tmp_path


def store_in(folder: Path) -> StoreSettings:
    return StoreSettings(
        artifacts=f"file:///{folder}/archives",
        ledger=f"sqlite:///{folder}/ledger.db",
        var=str(folder / "var"),
    )


def test_what_was_open_is_closed_at_the_start(old: Path) -> None:
    close_to_others(store_in(old))
    assert open_to_others(old / "var") == open_to_others(old / "archives") == []
    assert [
        oct((old / name).stat().st_mode & 0o777)
        for name in ("ledger.db", "ledger.db-wal", "var", "beside")
    ] == [
        "0o600",
        "0o600",
        "0o700",
        "0o644",
    ]
    close_to_others(store_in(old))  # again, and where there is nothing
    close_to_others(store_in(old / "nothing"))


def test_commands_make_files_private(old: Path) -> None:
    names = {
        "EVENTS": "sqlite:///{}/events.db",
        "HISTORIES": "sqlite:///{}/var/histories.db",
        "ARTIFACTS": "file:///{}/archives",
    }
    names |= {"LEDGER": "sqlite:///{}/var/ledger.db", "VAR": "{}/var"}
    env = {
        **os.environ,
        **{f"FRESHET__STORE__{name}": url.format(old) for name, url in names.items()},
    }
    for command in (["pause"], ["forget", "ann"]):
        subprocess.run(
            [sys.executable, "-m", "cron", *command],
            cwd=PROJECT_ROOT,
            env=env,
            check=True,
            umask=0o022,
            capture_output=True,
        )
    written = {path.name for path in (old / "var").iterdir()}
    assert {"ledger.db", "histories.db", "worker.id", "worker.lock"} <= written
    assert open_to_others(old / "var") == open_to_others(old / "archives") == []
    assert not (old / "events.db").stat().st_mode & 0o077
