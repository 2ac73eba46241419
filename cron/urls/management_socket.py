"""Where a TorchServe of this host is managed: a Unix socket that only its owner may use, whatever else listens on the host.

Knows paths; does not know what is asked behind them.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path

MAX_PATH_BYTES = 107  # of a Unix socket in the kernel


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address, an IPv6 address in brackets or not, is this host's loopback."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def management_socket(var: Path, port: int) -> Path:
    """Return the socket of the node whose management port is `port`, for a worker and a TorchServe that share `var`."""
    return var / f"management-{port}.sock"


def usable_path(socket: Path, *, inheritable: bool = False) -> str:
    """Return a path of the socket that fits into the kernel's limit.

    A longer one goes through a descriptor of its folder, which stays open: as long as this process,
    and `inheritable` beyond an exec. Where the folder is missing the long path is returned, and
    whoever uses it gets the error.
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
