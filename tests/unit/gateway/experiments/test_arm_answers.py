"""Answers are counted by arm, and no count is lost while the ledger is away."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cron.errors import Unavailable
from cron.experiment import ExperimentArm
from cron.ledger.experiment_rows import AnswerCounts
from gateway.experiments.arm_answers import ArmAnswers
from gateway.experiments.running import ArmOfList

Counts = Mapping[tuple[str, str], AnswerCounts]
FOUND = ArmOfList(experiment="try", arm=ExperimentArm(name="b", share=0.5))


def test_counts_wait_while_the_ledger_is_away() -> None:
    stored: list[Counts] = []
    is_away = True

    def add(counts: Counts) -> None:
        if is_away:
            raise Unavailable("the ledger", where="here", why="off")
        stored.append(counts)

    answers = ArmAnswers(add)
    answers.flush()
    answers.count(FOUND, seconds=0.5, is_error=False)
    with pytest.raises(Unavailable):
        answers.flush()
    answers.count(FOUND, seconds=1.5, is_error=True)
    is_away = False
    answers.flush()
    answers.close()
    expected = AnswerCounts(num_answers=2, num_errors=1, seconds=2.0, seconds_2=2.5)
    assert stored == [{("try", "b"): expected}]


def test_a_gateway_ends_while_the_ledger_is_away() -> None:
    def refuse(counts: Counts) -> None:
        raise Unavailable("the ledger", where="here", why="off")

    answers = ArmAnswers(refuse)
    answers.count(FOUND, seconds=0.5, is_error=False)
    answers.close()
