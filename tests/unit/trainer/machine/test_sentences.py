"""Which of a trainer's sentences says why it ended."""

from __future__ import annotations

import pytest

from trainer.machine.meeting import LostRank
from trainer.machine.preemption import Preempted
from trainer.machine.sentences import OF_THE_MACHINE, decisive, is_final

LOST = f"{OF_THE_MACHINE}{LostRank('Connection closed by peer')}"
WRONG = "trainer: no-snapshot/manifest.json: not found"


def test_the_cause_counts_and_not_the_loss_of_the_rank() -> None:
    assert decisive(["a page", WRONG, LOST, "more pages"]) == WRONG
    assert decisive([LOST, "pages"]) == LOST
    assert decisive(["pages"]) is None


@pytest.mark.parametrize("error", [LostRank("x"), Preempted()])
def test_a_training_goes_on_after_a_lost_rank_or_notice(error: Exception) -> None:
    assert not is_final(f"{OF_THE_MACHINE}{error}")
    assert is_final(f"{OF_THE_MACHINE}out of memory")


def test_a_lost_rank_is_named_without_the_place_in_gloo() -> None:
    error = RuntimeError(
        "[/pytorch/gloo/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:19. This is typical."
    )
    assert "(Connection closed by peer [127.0.0.1]:19)" in str(LostRank(error))
    assert "no answer for 600 s" in str(LostRank(RuntimeError("Operation timed out!"), limit_s=600))
