"""What must hold before anything is started: one instance, free ports, some disk space.

Each failure is one sentence.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from cron.errors import FreshetError
from trainer.machine.file_lock import LockHeld, lock_descriptor

NEEDED_BYTES = 2 * 10**9  # twenty releases of 60 MB with their optimiser states, the journal, logs


class NotReady(FreshetError):
    """Something on this machine prevents the start; the message says what."""


@contextmanager
def only_instance(var: Path) -> Iterator[None]:
    """Hold the lock of `var` while the block runs; raise NotReady if another process holds it.

    The kernel frees the lock when this process dies.
    """
    try:
        var.mkdir(parents=True, exist_ok=True)
        opened = (var / "serve.lock").open("a+", encoding="utf-8")
    except OSError as why:
        raise NotReady(
            f"{why.filename} can't be used ({why.strerror}): it must be a folder that this "
            "account may write to; FRESHET__STORE__VAR names another one"
        ) from why
    with opened as lock:
        try:
            lock_descriptor(lock.fileno(), var / "serve.lock")
        except LockHeld as error:
            raise NotReady(
                f"{var} is being served already, by process {error.holder or 'unknown'}; "
                "stop that one first"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def check_disk(var: Path, *, needed_bytes: int = NEEDED_BYTES, is_first_start: bool) -> str | None:
    """Return a warning if the disk that holds `var` is nearly full, None otherwise.

    Raise NotReady instead at the first start, which would fill the disk half-way. A later start
    goes on: serving the live release needs no space, and everything else resumes when there is
    space again.
    """
    free_bytes = shutil.disk_usage(var).free
    if free_bytes >= needed_bytes:
        return None
    found = (
        f"{var} has {free_bytes / 1e9:.1f} GB free, and a few releases need "
        f"{needed_bytes / 1e9:.0f} GB"
    )
    if is_first_start:
        raise NotReady(f"{found}; free some space and try again")
    return (
        f"{found}; the live release is served, but nothing new is learned once the disk is full: "
        "free some space"
    )


def check_ports(addresses: Mapping[str, tuple[str, int]]) -> None:
    """Raise NotReady for the first (host, port) that is taken, or that is chosen twice.

    The keys are the settings that choose them. An IPv6 host may be in brackets, as in a URL.
    """
    _check_chosen_once(addresses)
    for setting, (host, port) in addresses.items():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host.strip("[]"), port))
            except OSError as why:
                raise NotReady(_why_unusable(host, port, setting, why)) from why


def free_port(wanted: int, *, taken: Collection[int]) -> int:
    """Return a free port of 127.0.0.1 that is not in `taken`: the wanted one, or any."""
    while True:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port
        wanted = 0


def _check_chosen_once(addresses: Mapping[str, tuple[str, int]]) -> None:
    chosen: list[tuple[str, int, str]] = []
    for setting, (host, port) in addresses.items():
        for other_host, other_port, other in chosen:
            if port and port == other_port and _exclude_each_other(host, other_host):
                raise NotReady(
                    f"port {port} is chosen twice: by {other} and by {setting}; change one of them"
                )
        chosen.append((host, port, setting))


def _exclude_each_other(host: str, other: str) -> bool:
    """Return whether a port can be listened on at only one of two hosts at a time."""
    hosts = {_ip(host), _ip(other)}
    of_one_family = len({":" in one for one in hosts}) == 1
    return len(hosts) == 1 or (of_one_family and not hosts.isdisjoint({"0.0.0.0", "::"}))


def _ip(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host.strip("[]")


def _why_unusable(host: str, port: int, setting: str, why: OSError) -> str:
    if isinstance(why, socket.gaierror) or why.errno == errno.EADDRNOTAVAIL:
        return (
            f"{host} is not an address of this machine ({why.strerror}); set another host "
            f"beside {setting}"
        )
    holder = _holder(port) or why.strerror
    return f"port {port} on {host} can't be used ({holder}); free it, or set {setting}"


def _holder(port: int) -> str | None:
    """Name the process that listens on a port; None if this account may not know it."""
    try:
        listeners = [
            one
            for one in psutil.net_connections("tcp")
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port
        ]
        process = psutil.Process(next(one.pid for one in listeners if one.pid))
        return f"{process.name()}, process {process.pid}, listens there"
    except (psutil.Error, StopIteration):
        return None
