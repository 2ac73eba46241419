"""The bootstrap's decisions: what counts as installed, and what it says when it can't go on. pip itself is run by `make`."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from deploy import bootstrap

FILES = ["requirements.txt"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project folder with a complete environment, as far as the bootstrap can see."""
    (tmp_path / "requirements.txt").write_text("")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@" >> "$(dirname "$0")/calls"\n')
    python.chmod(0o755)
    _stamp(tmp_path, {"requirements.txt": bootstrap._digest(tmp_path / "requirements.txt"), "root": str(tmp_path)})
    return tmp_path


def test_an_unchanged_environment_is_left_alone(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bootstrap.bootstrap(root, FILES)
    assert not _pip_calls(root)
    assert capsys.readouterr().out == ""


def test_changed_requirements_are_installed_into_it(root: Path) -> None:
    (root / "requirements.txt").write_text("# changed\n")
    bootstrap.bootstrap(root, FILES)
    assert len(_pip_calls(root)) == 1
    assert f"-r {root / 'requirements.txt'}" in _pip_calls(root)[0]
    bootstrap.bootstrap(root, FILES)
    assert len(_pip_calls(root)) == 1, "the second run has nothing to do"


def test_test_tools_come_on_top_and_are_remembered(root: Path) -> None:
    (root / "tests").mkdir()
    (root / "tests" / "requirements.txt").write_text("# tools\n")
    bootstrap.bootstrap(root, [*FILES, "tests/requirements.txt"])
    bootstrap.bootstrap(root, FILES)
    bootstrap.bootstrap(root, [*FILES, "tests/requirements.txt"])
    assert len(_pip_calls(root)) == 1


@pytest.mark.parametrize("stamp", ['{"incomplete": true}', '{"root": "/somewhere/else"}', "[]"])
def test_a_half_made_or_moved_environment_is_made_anew(root: Path, stamp: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / ".venv" / bootstrap.STAMP).write_text(stamp)
    monkeypatch.setattr(sys, "executable", "/bin/false")  # an interpreter that can't make a venv shows that it was asked to
    with pytest.raises(bootstrap.CannotInstall, match="venv"):
        bootstrap.bootstrap(root, FILES)
    assert json.loads((root / ".venv" / bootstrap.STAMP).read_text())["incomplete"], "the next run must not take it for complete"


def test_a_full_disk_is_told_before_anything_begins(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "requirements.txt").write_text("# changed\n")
    _disk_with(4.0, monkeypatch)
    with pytest.raises(bootstrap.CannotInstall, match=r"4\.0 GB free and the installation needs about 9\.0"):
        bootstrap.bootstrap(root, FILES)
    assert not _pip_calls(root)


def test_what_is_installed_already_needs_no_room(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = [name for names in bootstrap.MORE.values() for name in names]
    for name in more:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("# tools\n")
    _disk_with(4.0, monkeypatch)
    bootstrap.bootstrap(root, [*FILES, *more])
    assert len(_pip_calls(root)) == 1


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("WARNING: Retrying … NewConnectionError('…: Temporary failure in name resolution')", "could not reach its package index"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "ran out of disk space"),
        ("ERROR: Some wheel is broken", "the reason stands above"),
    ],
)
def test_pip_failures_become_one_sentence(said: str, sentence: str) -> None:
    assert sentence in bootstrap._why(1, said)


@pytest.mark.parametrize("version", [(3, 8, 18), (3, 12, 1)])
def test_another_python_is_told_by_its_number(
    version: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    assert bootstrap.main([]) == 1
    assert f"needs Python 3.11 and this is {version[0]}.{version[1]}" in capsys.readouterr().err


def _disk_with(free_gb: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free_gb * 1e9))


def _stamp(root: Path, content: dict[str, object]) -> None:
    (root / ".venv" / bootstrap.STAMP).write_text(json.dumps(content))


def _pip_calls(root: Path) -> list[str]:
    calls = root / ".venv" / "bin" / "calls"
    return calls.read_text().splitlines() if calls.exists() else []
