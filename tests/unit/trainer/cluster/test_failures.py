"""Which failures on Ray end a training, and which only restart it."""

from __future__ import annotations

import pytest
from ray.train.v2._internal.execution.failure_handling import FailureDecision
from ray.train.v2._internal.execution.worker_group.poll import WorkerGroupPollStatus, WorkerStatus

from trainer.cluster.failures import FailureLimit
from trainer.cluster.messages import UNFIT
from trainer.machine.preemption import Preempted


def fail(limit: FailureLimit, message: str = "node 7 died", *, times_polled: int = 1) -> None:
    died = WorkerStatus(running=False, error=RuntimeError(f"task\n{message}"))
    for _ in range(times_polled):
        limit.after_worker_group_poll_status(WorkerGroupPollStatus(worker_statuses={1: died}))
    limit.before_controller_execute_failure_decision(FailureDecision.RETRY)


def test_failures_with_checkpoints_between_never_end_it() -> None:
    checkpoints = iter(range(100))
    limit = FailureLimit(lambda: next(checkpoints))
    for _ in range(100):
        fail(limit)


def test_a_second_failure_without_a_checkpoint_ends_it() -> None:
    limit = FailureLimit(lambda: None)
    fail(limit, times_polled=3)
    with pytest.raises(RuntimeError, match=r"^node 7 died .twice"):
        fail(limit)


def test_an_old_checkpoint_does_not_count_twice() -> None:
    limit = FailureLimit(lambda: 1)
    fail(limit)
    with pytest.raises(RuntimeError, match="twice"):
        fail(limit)


def test_an_error_of_the_input_ends_it_at_once() -> None:
    with pytest.raises(RuntimeError, match="no-snapshot"):
        fail(FailureLimit(lambda: 1), f"{UNFIT}no-snapshot")


def test_machines_taken_with_notice_never_end_it() -> None:
    limit = FailureLimit(lambda: None)
    for _ in range(5):
        fail(limit, str(Preempted()))


def test_a_worker_that_finds_no_place_is_no_failure() -> None:
    limit = FailureLimit(lambda: None)
    for _ in range(5):
        limit.before_controller_execute_failure_decision(FailureDecision.RETRY)
    fail(limit)
