"""What `make reset` deletes and keeps, and when it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from cron.settings.tree import Settings, StoreSettings
from deploy.machine import reset
from deploy.machine.preflight import NotReady
from deploy.stack.layout import choose_inner


def test_reset_deletes_what_was_learned_not_what_was_fetched(tmp_path: Path) -> None:
    var, archives = tmp_path / "var", tmp_path / "archives"
    for file in (
        "var/data/ml-100k/u.data",
        "var/ledger.db",
        "var/runs/1/x",
        "archives/README.md",
        "archives/rec-1-abc.mar",
        "archives/journal/1.parquet",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("")
    store = StoreSettings(
        var=str(var),
        artifacts=f"file:///{archives}",
        events=f"sqlite:///{tmp_path}/elsewhere.db",
        ledger=f"sqlite:///{var}/ledger.db",
    )
    (tmp_path / "elsewhere.db-wal").write_text("")
    reset.reset(Settings(store=store))
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["archives/README.md", "var/data/ml-100k/u.data", "var/serve.lock"]


def test_reset_ignores_paths_in_the_urls_of_servers(tmp_path: Path) -> None:
    store = StoreSettings(
        var=str(tmp_path / "var"),
        artifacts="s3://models?endpoint=http://minio:9000",
        events="redis://h/0?stream=events",
        histories="redis://h/0",
        ledger="postgresql://freshet:hush@db/deploy",
    )
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "run.log").write_text("")
    assert reset.targets(Settings(store=store)) == [tmp_path / "var" / "run.log"]
    assert store.artifacts in reset.kept_on_servers(Settings(store=store))
    assert "hush" not in str(reset.kept_on_servers(Settings(store=store)))


def test_reset_keeps_backups_of_a_database(tmp_path: Path) -> None:
    store = StoreSettings(
        var=str(tmp_path / "var"),
        artifacts=f"file:///{tmp_path}/archives",
        ledger=f"sqlite:///{tmp_path}/[x].db",
        events="kafka://h/e",
    )
    for name in ("[x].db", "[x].db-wal", "[x].db-shm", "[x].db.backup", "[x].db-2026"):
        (tmp_path / name).touch()
    found = reset.targets(Settings(store=store))
    assert {path.name for path in found if path.parent == tmp_path} == {
        "[x].db",
        "[x].db-wal",
        "[x].db-shm",
    }


def test_reset_refuses_while_a_stack_runs_in_its_folder(tmp_path: Path) -> None:
    store = StoreSettings(
        var=str(tmp_path / "var"),
        artifacts=f"file:///{tmp_path}/archives",
        events="kafka://h/e",
        histories="redis://h/0",
        ledger="postgresql://h/d",
    )
    home = tmp_path / "var" / "stack"
    (home / "postgres").mkdir(parents=True)
    (home / "supervisord.pid").write_text(str(os.getpid()))
    (home / "supervisord.conf").touch()
    with subprocess.Popen(
        [sys.executable, "-c", "input()", str(home / "supervisord.conf")], stdin=subprocess.PIPE
    ) as supervisord:
        (home / "supervisord.pid").write_text(str(supervisord.pid))
        for var in (home, tmp_path / "var"):
            with pytest.raises(
                NotReady,
                match=r"the stack in .*stack runs; stop it first, with make stack-down",
            ):
                reset.reset(Settings(store=replace(store, var=str(var))))
        supervisord.kill()
    assert (home / "postgres").is_dir()
    reset.reset(Settings(store=store))
    assert not home.exists()


def test_reset_deletes_a_stacks_data_and_keeps_its_parts(tmp_path: Path) -> None:
    settings = Settings(
        store=StoreSettings(
            var=str(tmp_path),
            artifacts="s3://b/a?endpoint=http://127.0.0.1:9000",
            events="kafka://h/e",
        )
    )
    assert "kafka://h/e" in reset.kept_on_servers(settings)
    for folder in ("kafka", "parts"):
        (tmp_path / folder).mkdir()
    choose_inner(tmp_path, taken=())
    assert reset.kept_on_servers(settings) == []
    assert [path for path in reset.targets(settings) if path.parent == tmp_path] == [
        tmp_path / "kafka",
        tmp_path / "ports.json",
    ]


@pytest.mark.parametrize("pressed", [KeyboardInterrupt, EOFError])
def test_an_interrupt_or_end_of_input_means_no(
    pressed: type[BaseException],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def ask(_: str) -> str:
        raise pressed

    (tmp_path / "run.log").touch()
    monkeypatch.setenv("FRESHET__STORE__VAR", str(tmp_path))
    monkeypatch.setenv("FRESHET__STORE__ARTIFACTS", f"file:///{tmp_path}/archives")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", ask)
    assert reset.main([]) == 1
    assert "Nothing was deleted" in capsys.readouterr().err
    assert (tmp_path / "run.log").exists()


def test_reset_asks_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("")
    monkeypatch.setenv("FRESHET__STORE__VAR", str(tmp_path))
    monkeypatch.setenv("FRESHET__STORE__ARTIFACTS", f"file:///{tmp_path}/archives")
    for store in ("EVENTS", "HISTORIES", "LEDGER"):
        monkeypatch.setenv(f"FRESHET__STORE__{store}", f"sqlite:///{tmp_path}/{store.lower()}.db")
    assert reset.main([]) == 1
    assert (tmp_path / "ledger.db").exists()
    assert reset.main(["--confirm", "yes"]) == 0
    assert not (tmp_path / "ledger.db").exists()
