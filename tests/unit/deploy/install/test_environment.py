"""What counts as installed, and what is reported when an installation can't begin."""

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

from cron.project_root import PROJECT_ROOT
from deploy.install.__main__ import main
from deploy.install.environment import INCOMPLETE, STAMP, bring_up_to_date
from deploy.install.packages import CannotInstall
from deploy.install.requirements import BASE, MORE, TESTS
from tests.unit.deploy.install.environment import calls, make_checkout, write_python, write_stamp

INSTALL = "-m uv pip install"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_checkout(tmp_path)


def test_an_unchanged_environment_is_left_alone(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bring_up_to_date(root, [BASE])
    assert not calls(root)
    assert capsys.readouterr().out == ""


def test_changed_requirements_are_installed(root: Path) -> None:
    (root / BASE).write_text("# changed\n")
    bring_up_to_date(root, [BASE])
    assert len(calls(root, INSTALL)) == 1
    assert f"-r {root / BASE}" in calls(root, INSTALL)[0]
    bring_up_to_date(root, [BASE])
    assert len(calls(root, INSTALL)) == 1, "the second run has nothing to do"


def test_a_changed_lock_is_installed(root: Path) -> None:
    (root / "requirements.lock").write_text("# changed\n")
    bring_up_to_date(root, [BASE])
    assert f"-c {root / 'requirements.lock'}" in calls(root, INSTALL)[0]


def test_test_tools_are_added_and_recorded(root: Path) -> None:
    (root / "tests").mkdir()
    (root / TESTS).write_text("# tools\n")
    bring_up_to_date(root, [BASE, TESTS])
    bring_up_to_date(root, [BASE])
    bring_up_to_date(root, [BASE, TESTS])
    assert len(calls(root, INSTALL)) == 1


@pytest.mark.parametrize("stamp", ['{"incomplete": true}', '{"root": "/somewhere/else"}', "[]"])
def test_an_incomplete_or_moved_environment_is_rebuilt(
    root: Path, stamp: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / ".venv" / STAMP).write_text(stamp)
    # an interpreter that can't create a virtual environment shows that it was asked to
    monkeypatch.setattr(sys, "_base_executable", "/bin/false")
    with pytest.raises(CannotInstall, match="venv"):
        bring_up_to_date(root, [BASE])
    assert json.loads((root / ".venv" / STAMP).read_text())["incomplete"], (
        "the next run must not take it for complete"
    )


def test_a_second_installation_waits_for_the_first(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the first has ended, the second finds nothing left to do."""
    (root / BASE).write_text("# changed\n")
    python = root / ".venv" / "bin" / "python"
    may_end = root / "may-end"
    wait = f"while [ ! -e '{may_end}' ]; do sleep 0.05; done"
    write_python(root, f"#!/bin/sh\n{wait}\n{python.read_text()}")
    printed: list[str] = []

    def is_waiting() -> bool:
        printed.append(capsys.readouterr().out)
        return "is running; waiting for it to end" in "".join(printed)

    with ThreadPoolExecutor() as pool:  # flock is per open file, so threads exclude each other too
        both = [pool.submit(bring_up_to_date, root, [BASE]) for _ in range(2)]
        try:
            _wait_until(is_waiting, "the second installation to wait")
        finally:
            may_end.touch()
        for one in both:
            one.result()
    assert len(calls(root, INSTALL)) == 1


def test_the_installation_needs_the_standard_library_alone() -> None:
    needed = "import deploy.install.__main__, trainer.machine.durable_files"
    subprocess.run([sys.executable, "-S", "-c", needed], cwd=PROJECT_ROOT, check=True)


def test_the_lock_is_held_until_the_installer_ends(root: Path) -> None:
    """uv or pip runs on for a while when the process that started it is killed."""
    (root / BASE).write_text("# changed\n")
    write_python(root, "#!/bin/sh\nexec sleep 3600\n")
    script = f"""from pathlib import Path
from deploy.install.environment import bring_up_to_date
bring_up_to_date(Path({str(root)!r}), {[BASE]})"""
    with subprocess.Popen([sys.executable, "-c", script], cwd=PROJECT_ROOT) as first:
        _wait_until(
            lambda: (root / ".venv" / "tmp").is_dir() and psutil.Process(first.pid).children(),
            "the installer to run",
        )
        installer = psutil.Process(first.pid).children()[0]
        first.kill()
    with (root / "var" / "install.lock").open() as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        installer.kill()
        _wait_until(
            lambda: not installer.is_running() or installer.status() == psutil.STATUS_ZOMBIE,
            "the installer to end",
        )
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_an_activated_incomplete_environment_is_rebuilt(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Python that created it creates it again: its own would be deleted with it."""
    write_stamp(root, {INCOMPLETE: True})
    monkeypatch.setattr(sys, "executable", str(root / ".venv" / "bin" / "python"))
    monkeypatch.setattr(sys, "_base_executable", "/bin/false")  # it exists, and fails
    with pytest.raises(CannotInstall, match="venv"):
        bring_up_to_date(root, [BASE])


@pytest.mark.parametrize("target", ["status", "rollback", "replay", "stack-status", "reset"])
def test_a_target_reports_an_incomplete_installation(root: Path, target: str) -> None:
    """While an upgrade is under way and everything is there, the target runs."""
    shutil.copy(PROJECT_ROOT / "Makefile", root)
    write_stamp(root, {INCOMPLETE: True})
    subprocess.run(["make", target], cwd=root, env=_environment(), check=True)
    assert len(calls(root)) == 2
    write_python(root, "#!/bin/sh\nexit 1\n")
    ran = subprocess.run(
        ["make", target], cwd=root, env=_environment(), capture_output=True, text=True, check=False
    )
    assert ran.returncode
    assert "The installation is not complete" in ran.stderr


@pytest.mark.parametrize("path", ["/home/o'neill/ml 100k", '/data/"x"', "plain"])
def test_make_passes_a_path_on_unchanged(root: Path, path: str) -> None:
    shutil.copy(PROJECT_ROOT / "Makefile", root)
    for target, variable in (("reset", "CONFIRM"), ("serve", "DATA"), ("stack", "DATA")):
        make = ["make", target, f"{variable}={path}", "-o", "install", "-o", "install-stack"]
        subprocess.run(make, cwd=root, env=_environment(), check=True)
        assert calls(root)[-1].endswith(path)


def test_a_full_disk_is_reported_before_anything_begins(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / BASE).write_text("# changed\n")
    _leave_free(4.0, monkeypatch)
    with pytest.raises(CannotInstall, match=r"4\.0 GB free and the installation needs about 6\.0"):
        bring_up_to_date(root, [BASE])
    assert not calls(root)


def test_what_is_installed_already_needs_no_space(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = [name for names in MORE.values() for name in names]
    for name in more:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("# tools\n")
    _leave_free(4.0, monkeypatch)
    bring_up_to_date(root, [BASE, *more])
    assert len(calls(root, INSTALL)) == 1


@pytest.mark.parametrize("version", [(3, 8, 18), (3, 12, 1)])
def test_another_python_is_named_by_its_version(
    version: tuple[int, int, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    assert main([]) == 1
    assert f"needs Python 3.11 and this is {version[0]}.{version[1]}" in capsys.readouterr().err


def _environment() -> dict[str, str]:
    """Return an environment without the variables of a make that runs these tests."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }


def _wait_until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 180
    while not true():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.05)


def _leave_free(free_gb: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free_gb * 1e9))
