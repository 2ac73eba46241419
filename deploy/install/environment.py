"""`.venv`: created once, brought up to date when a requirement file or its lock has changed."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from deploy.install.packages import CannotInstall, install_packages, write_locks
from deploy.install.requirements import LOCK_OF, NEEDED_GB

STAMP = ".requirements.json"  # in .venv: digests of what is installed, or that it is incomplete
INCOMPLETE = "incomplete"


def bring_up_to_date(root: Path, files: "list[str]") -> None:
    """Install the requirement files into `root/.venv`; rebuild one that is incomplete or moved.

    A second call takes milliseconds.
    """
    wanted = {name: digest(root, name) for name in files}
    if not _state(root, wanted)[1]:
        return
    with _only_installation(root) as lock:
        _install(root, wanted, lock)


def remake_locks(root: Path) -> None:
    """Write the lock of every set of requirements, with uv from `root/.venv`."""
    with _only_installation(root) as lock:
        venv = root / ".venv"
        if not (venv / "bin" / "python").exists():
            _create_venv(venv)
            _write_stamp(venv, {INCOMPLETE: True, "root": str(root)})
        write_locks(root, venv, lock)


def digest(root: Path, name: str) -> str:
    """Return the sha256 of a requirement file and its lock, hex."""
    lock = root / LOCK_OF[name]
    locked = lock.read_bytes() if lock.exists() else b""
    return hashlib.sha256((root / name).read_bytes() + locked).hexdigest()


def _state(root: Path, wanted: "dict[str, str]") -> "tuple[bool, list[str]]":
    """Return whether `root/.venv` can be added to, and the files not installed in it."""
    venv, stamp = root / ".venv", _read_stamp(root / ".venv")
    usable = (
        os.access(venv / "bin" / "python", os.X_OK)
        and stamp.get("root", str(root)) == str(root)
        and not stamp.get(INCOMPLETE)
    )
    return usable, [
        name for name, digest in wanted.items() if not usable or stamp.get(name) != digest
    ]


@contextmanager
def _only_installation(root: Path) -> "Iterator[IO[str]]":
    """Hold the lock of all installations of this checkout; wait for one that is running."""
    (root / "var").mkdir(exist_ok=True)
    with (root / "var" / "install.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(
                f"Another installation into {root / '.venv'} is running; waiting for it to end",
                flush=True,
            )
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def _install(root: Path, wanted: "dict[str, str]", lock: "IO[str]") -> None:
    venv, stamp = root / ".venv", _read_stamp(root / ".venv")
    usable, missing = _state(root, wanted)
    if not missing:  # the installation that we waited for has done it
        return
    _check_disk(root, sum(NEEDED_GB[name] for name in missing))
    if venv.exists() and not usable:
        print(f"{venv} is incomplete or was moved; creating it again", flush=True)
        shutil.rmtree(venv)
    venv.mkdir(exist_ok=True)
    _write_stamp(venv, {INCOMPLETE: True, "root": str(root)})
    if not (venv / "bin" / "python").exists():
        _create_venv(venv)
    print("Installing {}".format(" and ".join(missing)), flush=True)
    install_packages(root, venv, list(wanted), lock)
    before = {}
    if usable:
        before = {name: value for name, value in stamp.items() if not isinstance(value, bool)}
    _write_stamp(venv, {**before, **wanted, "root": str(root)})


def _read_stamp(venv: Path) -> "dict[str, object]":
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {INCOMPLETE: True}


def _write_stamp(venv: Path, stamp: "dict[str, object]") -> None:
    # Standard library only, but in a syntax that Python 3.6 can't read: imported after the check of
    # the version.
    from trainer.machine.durable_files import replace_text

    replace_text(venv / STAMP, json.dumps(stamp))


def _check_disk(root: Path, needed_gb: float) -> None:
    free_gb = shutil.disk_usage(root).free / 1e9
    if free_gb < needed_gb:
        needed = f"{free_gb:.1f} GB free and the installation needs about {needed_gb:.1f}"
        raise CannotInstall(f"{root} has {needed}; free some space and run it again.")


def _create_venv(venv: Path) -> None:
    print(f"Creating {venv}", flush=True)
    # An activated .venv that was just deleted can't create another one; its base Python can.
    python = getattr(sys, "_base_executable", sys.executable)
    result = subprocess.run(
        [python, "-m", "venv", str(venv)], capture_output=True, text=True, check=False
    )
    if result.returncode == 0:
        return
    if "ensurepip" in result.stdout + result.stderr:
        raise CannotInstall(
            "This Python has no venv module; on Debian and Ubuntu: apt install python3.11-venv"
        )
    reason = (result.stderr or result.stdout).strip()
    raise CannotInstall(f"python -m venv {venv} failed: {reason}")
