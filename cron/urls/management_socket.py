"""The Unix socket for managing a TorchServe of this host; only its owner may use it."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path

MAX_PATH_BYTES = 107  # of a Unix socket in the kernel


def is_loopback(host: str) -> bool:
    """Return whether a host is loopback: a name or an address, IPv6 with or without brackets."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def management_socket(var: Path, port: int) -> Path:
    """Return the socket of the node with this management port.

    The worker and TorchServe share the folder `var`.
    """
    return var / f"management-{port}.sock"


def usable_path(socket: Path, *, inheritable: bool = False) -> str:
    """Return a path of the socket that fits into the kernel's limit.

    A longer path is replaced by one through a descriptor of its folder. The descriptor stays open
    as long as this process; `inheritable` keeps it beyond an exec. When the folder is missing, the
    long path is returned, and using it raises the error.
    """
    path = str(socket.absolute())
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        return path
    try:
        folder = os.open(socket.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return path
    os.set_inheritable(folder, inheritable)
    return f"/proc/self/fd/{folder}/{socket.name}"
