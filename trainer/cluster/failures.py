"""Which failures of workers end a training on Ray, and which only restart it. Needs Ray."""

from __future__ import annotations

from collections.abc import Callable

from ray.train.v2._internal.execution.callback import ControllerCallback, WorkerGroupCallback
from ray.train.v2._internal.execution.worker_group import WorkerGroupPollStatus

from trainer.cluster.messages import IN_VAIN, UNFIT, last_line
from trainer.machine.preemption import Preempted

_TAKEN = str(Preempted())


class FailureLimit(ControllerCallback, WorkerGroupCallback):
    """Ray restarts workers without a limit; this ends what a restart does not help.

    That is an error of the input, and a second failure in a row without a new checkpoint between.
    `last_checkpoint` returns what tells the newest checkpoint from others, None without one. It is
    called where Ray's controller runs: on the head of the cluster. Ray's callback for users hears
    of a failure at each poll; these two tell one failure from the next.
    """

    def __init__(self, last_checkpoint: Callable[[], object]) -> None:
        self._last_checkpoint = last_checkpoint
        self._messages: list[str] = []
        self._has_failed = False
        self._before: object = None

    def after_worker_group_poll_status(self, worker_group_status: WorkerGroupPollStatus) -> None:
        """Remember how the workers failed."""
        self._messages = [last_line(error) for error in worker_group_status.errors.values()]

    def before_controller_execute_failure_decision(self, failure_decision: object) -> None:
        """Raise RuntimeError, which ends the run, if starting again is in vain."""
        del failure_decision
        messages, self._messages = self._messages, []
        for message in messages:
            if UNFIT in message:
                raise RuntimeError(message)
        if not messages or any(_TAKEN in message for message in messages):
            return  # there was no place for a worker, or its machine is taken
        before, self._before = self._before, self._last_checkpoint()
        has_advanced = self._before is not None and self._before != before
        if self._has_failed and not has_advanced:
            raise RuntimeError(f"{messages[0].partition('; ')[0]} ({IN_VAIN})")
        self._has_failed = True
