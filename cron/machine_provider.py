"""The port of machines that are rented around a training.

Like `cron.ports`; `tests/contracts` runs one suite on every provider.
"""

from __future__ import annotations

from typing import Protocol


class MachineProvider(Protocol):
    """Whoever starts machines for a training, and stops them.

    All methods may be called by another process than the one that started the machines: a provider
    knows its machines, and a worker that was killed is followed by one that stops them. Each raises
    Unavailable when the other side does not answer, and MachinesRefused when it says no.
    """

    def start(self, num_machines: int) -> None:
        """Ask for machines and return at once; asking again for the same number changes nothing."""
        ...

    def num_joined(self) -> int:
        """Return how many machines are ready to train."""
        ...

    def stop(self) -> None:
        """Give all machines back; none is not an error."""
        ...
