"""Ports for servers that a test starts later.

The kernel gives the ports of its own range to every outgoing connection, so one of these that is
free now may be taken when a server wants it. Ports below that range are taken by servers alone.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

LOWEST = 20_000  # usual ports of servers, and those of Ray's workers, are below
USUAL_FIRST = 32_768  # of the kernel's range
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_CHANCE = random.SystemRandom()  # a seed would give processes that run at once the same ports


def free_port() -> int:
    """Return a port that is free now."""
    return free_ports(1)[0]


def free_ports(count: int, *, and_above: int = 0) -> list[int]:
    """Return different free ports; the one above each of the first `and_above` is free too."""
    with ExitStack() as stack:
        found = _bound_ports(stack)
        ports: list[int] = []
        while len(ports) < count:
            port = next(found)
            if len(ports) >= and_above or _bind(stack, port + 1):
                ports.append(port)
        return ports


def _bound_ports(stack: ExitStack) -> Iterator[int]:
    """Yield ports that the stack holds until it closes."""
    while True:
        port = _CHANCE.randrange(LOWEST, _first_of_the_kernel() - 1)
        if _bind(stack, port):
            yield port


def _bind(stack: ExitStack, port: int) -> bool:
    """Hold a port, so that nobody else takes it; return whether it was free."""
    one = stack.enter_context(socket.socket())
    try:
        one.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def _first_of_the_kernel() -> int:
    """Return the first port of the kernel's range, or of its usual one if that is too low."""
    first = int(_RANGE.read_text().split(maxsplit=1)[0]) if _RANGE.exists() else USUAL_FIRST
    return first if first > LOWEST + 1_000 else USUAL_FIRST
