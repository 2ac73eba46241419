"""Counts the answers in the arms of experiments, and adds them to the ledger."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from cron.errors import FreshetError
from cron.ledger.experiment_rows import AnswerCounts
from gateway.experiments.running import ArmOfList

EVERY_S = 5.0
AddAnswers = Callable[[Mapping[tuple[str, str], AnswerCounts]], None]
log = logging.getLogger(__name__)
_Sums = tuple[int, int, float, float]


class ArmAnswers:
    """Thread-safe. `flush` blocks."""

    def __init__(self, add: AddAnswers) -> None:
        self._add = add
        self._lock = threading.Lock()
        self._sums: dict[tuple[str, str], _Sums] = {}

    def count(self, found: ArmOfList, *, seconds: float, is_error: bool) -> None:
        """Count an answer; an error is a list that could not be made by the arm's rules."""
        key = found.experiment, found.arm.name
        with self._lock:
            answers, errors, total, squares = self._sums.get(key, (0, 0, 0.0, 0.0))
            self._sums[key] = (
                answers + 1,
                errors + is_error,
                total + seconds,
                squares + seconds * seconds,
            )

    def flush(self) -> None:
        """Add what was counted to the ledger; if that fails, it is tried again the next time."""
        with self._lock:
            sums, self._sums = self._sums, {}
        if not sums:
            return
        try:
            self._add({key: _counts(one) for key, one in sums.items()})
        except BaseException:
            with self._lock:
                for key, one in sums.items():
                    newer = self._sums.get(key, (0, 0, 0.0, 0.0))
                    self._sums[key] = _both(one, newer)
            raise

    def close(self) -> None:
        """Add what was counted last; it is lost if the ledger does not answer now."""
        try:
            self.flush()
        except FreshetError as error:
            log.warning("answers of arms lost", extra={"why": str(error)})


def _counts(sums: _Sums) -> AnswerCounts:
    answers, errors, seconds, squares = sums
    return AnswerCounts(num_answers=answers, num_errors=errors, seconds=seconds, seconds_2=squares)


def _both(one: _Sums, other: _Sums) -> _Sums:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3]
