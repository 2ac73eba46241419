"""TorchServe's lock, its temporary folder, and what a killed server left behind."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from trainer.machine.file_lock import LockHeld, lock_descriptor

MAX_SOCKET_FOLDER = 80  # a Unix socket's path ends at 107 bytes, and TorchServe adds its own name


class ServerCannotStart(Exception):
    """Why TorchServe can't be started and what to do, in one sentence."""


def hold_lock(var: Path) -> int:
    """Lock `var/torchserve` while the server lives; raise ServerCannotStart if another one runs.

    The descriptor that is returned survives exec.
    """
    home = var / "torchserve"
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        lock_descriptor(descriptor, home / "lock")
    except LockHeld as error:
        os.close(descriptor)
        raise ServerCannotStart(
            f"TorchServe already runs on {home}; stop it first, or use another --var"
        ) from error
    os.set_inheritable(descriptor, True)
    return descriptor


def clear_leftovers(var: Path) -> None:
    """Delete what a killed server left unpacked; call it with the lock held."""
    temporary = temporary_folder((var / "torchserve").resolve())
    if not temporary.is_dir():
        return
    check_own(temporary)
    for left in temporary.iterdir():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def clear_fetched(model_store: Path) -> None:
    """Delete the archives that a killed server had fetched by URL.

    It would refuse to fetch them again, and one may be incomplete. Those of an artifact store in
    this folder, or shared with it, have a sha256 file and stay.
    """
    for mar in model_store.glob("*.mar"):
        digest_files = (f".{mar.name}.sha256", f".store/sha256/{mar.name}")
        if not any((model_store / name).exists() for name in digest_files):
            mar.unlink(missing_ok=True)


def temporary_folder(home: Path) -> Path:
    """Return the server's own temporary folder, the same at every start.

    It is short enough for sockets.
    """
    wanted = home / "tmp"
    if len(str(wanted).encode()) <= MAX_SOCKET_FOLDER:
        return wanted
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"freshet-{os.getuid()}-{digest}"


def check_own(folder: Path) -> None:
    """Raise ServerCannotStart for another account's folder.

    Archives are unpacked there and run, and in /tmp anybody may have made it first.
    """
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ServerCannotStart(
            f"{folder} belongs to another user or is a link; delete it, or use a --var with a "
            "shorter path"
        )
