"""Notice that this machine is about to be taken: SIGTERM.

While a training takes its steps, the notice waits for the end of one, so that a checkpoint can be
written. At any other time it ends the work at once.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from trainer.machine.sentences import GOES_ON


class Preempted(RuntimeError):
    """The training ended because a signal asked it to."""

    def __init__(self) -> None:
        super().__init__(f"the training was ended by SIGTERM; it {GOES_ON}")


class PreemptionNotice:
    """The notice of this process, which comes only to who listens."""

    def __init__(self) -> None:
        self._is_given = self._is_held = False

    def listen(self) -> None:
        """Wait for the signal from now on; call it in the main thread."""
        signal.signal(signal.SIGTERM, self._receive)

    def is_given(self) -> bool:
        """Return whether the notice has come."""
        return self._is_given

    @contextmanager
    def hold_back(self) -> Iterator[None]:
        """Let the block ask for the notice; raise Preempted after it, if the notice came."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self._is_given:
            raise Preempted

    @contextmanager
    def explain_errors(self) -> Iterator[None]:
        """Raise Preempted instead of any error of the block that comes after the notice.

        A library that catches Preempted may raise an error of its own: transformers does while it
        imports a model's code, and says that the code cannot be imported.
        """
        try:
            yield
        except Exception as error:
            if self._is_given and not isinstance(error, Preempted):
                raise Preempted from error
            raise

    def _receive(self, *_: object) -> None:
        self._is_given = True
        if not self._is_held:
            raise Preempted
