"""The bootstrap's decisions: what counts as installed, and what it says when it can't go on. pip itself is run by `make`."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from cron.wiring import PROJECT_ROOT
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
    _stamp(
        tmp_path,
        {
            "requirements.txt": bootstrap._digest(tmp_path / "requirements.txt"),
            "root": str(tmp_path),
        },
    )
    return tmp_path


def test_an_unchanged_environment_is_left_alone(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
def test_a_half_made_or_moved_environment_is_made_anew(
    root: Path, stamp: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / ".venv" / bootstrap.STAMP).write_text(stamp)
    monkeypatch.setattr(
        sys, "_base_executable", "/bin/false"
    )  # an interpreter that can't make a venv shows that it was asked to
    with pytest.raises(bootstrap.CannotInstall, match="venv"):
        bootstrap.bootstrap(root, FILES)
    assert json.loads((root / ".venv" / bootstrap.STAMP).read_text())["incomplete"], (
        "the next run must not take it for complete"
    )


def test_a_second_installation_waits_for_the_first_and_has_nothing_left_to_do(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "requirements.txt").write_text("# changed\n")
    python = root / ".venv" / "bin" / "python"
    python.write_text(f"#!/bin/sh\nsleep 1\n{python.read_text()}")
    with (
        ThreadPoolExecutor() as pool
    ):  # flock is of the open file, so two threads are two processes to it
        list(pool.map(lambda _: bootstrap.bootstrap(root, FILES), range(2)))
    assert len(_pip_calls(root)) == 1
    assert "is under way; waiting for its end" in capsys.readouterr().out


def test_nobody_installs_while_the_pip_of_a_killed_bootstrap_goes_on(root: Path) -> None:
    (root / "requirements.txt").write_text("# changed\n")
    python = root / ".venv" / "bin" / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    script = f"""from pathlib import Path
from deploy import bootstrap
bootstrap.bootstrap(Path({str(root)!r}), {FILES})"""
    with subprocess.Popen([sys.executable, "-c", script], cwd=PROJECT_ROOT) as first:
        _until(
            lambda: (root / ".venv" / "tmp").is_dir() and psutil.Process(first.pid).children(),
            "pip to run",
        )
        pip = psutil.Process(first.pid).children()[0]
        first.kill()
    with (root / "var" / "install.lock").open() as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        pip.kill()
        _until(lambda: not pip.is_running() or pip.status() == psutil.STATUS_ZOMBIE, "pip to end")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_an_activated_environment_that_is_half_made_is_made_anew_by_what_made_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stamp(root, {bootstrap.INCOMPLETE: True})
    monkeypatch.setattr(sys, "executable", str(root / ".venv" / "bin" / "python"))
    monkeypatch.setattr(sys, "_base_executable", "/bin/false")  # it is there, and fails
    with pytest.raises(bootstrap.CannotInstall, match="venv"):
        bootstrap.bootstrap(root, FILES)


@pytest.mark.parametrize("target", ["status", "rollback", "replay", "stack-status", "reset"])
def test_what_needs_an_installation_says_when_it_is_not_complete(root: Path, target: str) -> None:
    shutil.copy(PROJECT_ROOT / "Makefile", root)
    _stamp(root, {bootstrap.INCOMPLETE: True})
    subprocess.run(["make", target], cwd=root, env=_environment(), check=True)
    assert len(_pip_calls(root)) == 2, (
        "while an upgrade is under way, and everything is there, it runs"
    )
    python = root / ".venv" / "bin" / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    ran = subprocess.run(
        ["make", target], cwd=root, env=_environment(), capture_output=True, text=True, check=False
    )
    assert ran.returncode
    assert "The installation is not complete" in ran.stderr


@pytest.mark.parametrize("path", ["/home/o'neill/ml 100k", '/data/"x"', "plain"])
def test_a_path_is_passed_on_by_make_as_it_was_said(root: Path, path: str) -> None:
    shutil.copy(PROJECT_ROOT / "Makefile", root)
    for target, variable in (("reset", "CONFIRM"), ("serve", "DATA"), ("stack", "DATA")):
        make = ["make", target, f"{variable}={path}", "-o", "install", "-o", "install-stack"]
        subprocess.run(make, cwd=root, env=_environment(), check=True)
        assert _pip_calls(root)[-1].endswith(path)


def test_pip_installs_into_the_environment_whatever_a_shell_says(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "requirements.txt").write_text("# changed\n")
    (root / ".venv" / "bin" / "python").write_text(
        '#!/bin/sh\nenv | grep ^PIP_ | sort > "$(dirname "$0")/calls"\n'
    )
    for name, value in (
        ("PIP_USER", "1"),
        ("PIP_TARGET", "/elsewhere"),
        ("PIP_PREFIX", "/x"),
        ("PIP_INDEX_URL", "https://mirror"),
    ):
        monkeypatch.setenv(name, value)
    bootstrap.bootstrap(root, FILES)
    passed_on = set(_pip_calls(root))
    assert passed_on >= {"PIP_INDEX_URL=https://mirror", "PIP_USER=0"}
    assert not [line for line in passed_on if line.startswith(("PIP_TARGET", "PIP_PREFIX"))]


def test_a_full_disk_is_told_before_anything_begins(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "requirements.txt").write_text("# changed\n")
    _disk_with(4.0, monkeypatch)
    with pytest.raises(
        bootstrap.CannotInstall, match=r"4\.0 GB free and the installation needs about 9\.0"
    ):
        bootstrap.bootstrap(root, FILES)
    assert not _pip_calls(root)


def test_what_is_installed_already_needs_no_room(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        (
            "WARNING: Retrying … NewConnectionError('…: Temporary failure in name resolution')",
            "could not reach its package index",
        ),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "ran out of disk space",
        ),
        ("ERROR: Some wheel is broken", "the reason stands above"),
    ],
)
def test_pip_failures_become_one_sentence(said: str, sentence: str) -> None:
    assert sentence in bootstrap._why(1, said)


@pytest.mark.parametrize("version", [(3, 8, 18), (3, 12, 1)])
def test_another_python_is_told_by_its_number(
    version: tuple[int, int, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    assert bootstrap.main([]) == 1
    assert f"needs Python 3.11 and this is {version[0]}.{version[1]}" in capsys.readouterr().err


def _environment() -> dict[str, str]:
    """Return an environment in which no make runs above ours."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }


def _until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.05)


def _disk_with(free_gb: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free_gb * 1e9))


def _stamp(root: Path, content: dict[str, object]) -> None:
    (root / ".venv" / bootstrap.STAMP).write_text(json.dumps(content))


def _pip_calls(root: Path) -> list[str]:
    calls = root / ".venv" / "bin" / "calls"
    return calls.read_text().splitlines() if calls.exists() else []
