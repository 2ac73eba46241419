"""How often a call is repeated, for which errors, and with which pauses."""

from __future__ import annotations

import pytest

from trainer.machine.retries import RetryPolicy, call_with_retries


class Failing:
    """A call that raises each of some errors once, and then returns its number."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.num_calls = 0

    def __call__(self) -> int:
        self.num_calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return self.num_calls


def passes(error: BaseException) -> bool:
    """Return whether an error is one that may pass."""
    return isinstance(error, ConnectionError)


THREE = RetryPolicy(may_pass=passes, max_tries=3, first_pause_s=1.0, longest_pause_s=3.0)


def test_a_call_that_works_is_made_once() -> None:
    slept: list[float] = []
    assert call_with_retries(THREE, Failing(), sleep=slept.append) == 1
    assert slept == []


def test_an_error_that_passes_is_forgotten() -> None:
    reported: list[tuple[str, int]] = []
    answer = call_with_retries(
        THREE,
        Failing(ConnectionError("one"), ConnectionError("two")),
        sleep=lambda _: None,
        before_pause=lambda error, num_tries: reported.append((str(error), num_tries)),
    )
    assert answer == 3
    assert reported == [("one", 1), ("two", 2)]


def test_the_last_error_is_raised_unchanged() -> None:
    errors = [ConnectionError("one"), ConnectionError("two"), ConnectionError("three")]
    errors[2].__cause__ = OSError("a cable")
    failing, reported = Failing(*errors), list[str]()
    with pytest.raises(ConnectionError, match="three") as raised:
        call_with_retries(
            THREE,
            failing,
            sleep=lambda _: None,
            before_pause=lambda error, _: reported.append(str(error)),
        )
    assert raised.value is errors[2]
    assert str(raised.value.__cause__) == "a cable"
    assert failing.num_calls == 3
    assert reported == ["one", "two"], "no pause follows the last try"


def test_an_error_that_stays_is_raised_at_once() -> None:
    failing = Failing(ValueError("wrong"))
    with pytest.raises(ValueError, match="wrong"):
        call_with_retries(THREE, failing, sleep=lambda _: None)
    assert failing.num_calls == 1


def test_pauses_double_up_to_the_longest_and_vary() -> None:
    policy = RetryPolicy(may_pass=passes, max_tries=5, first_pause_s=1.0, longest_pause_s=3.0)
    pauses: set[tuple[float, ...]] = set()
    for _ in range(20):
        slept: list[float] = []
        call_with_retries(policy, Failing(*[ConnectionError()] * 4), sleep=slept.append)
        assert all(
            longest / 2 <= one <= longest for one, longest in zip(slept, (1, 2, 3, 3), strict=True)
        )
        pauses.add(tuple(slept))
    assert len(pauses) == 20


def test_no_try_follows_a_failure_after_the_limit() -> None:
    policy = RetryPolicy(may_pass=passes, limit_s=0.0, first_pause_s=1.0)
    failing = Failing(ConnectionError("late"))
    with pytest.raises(ConnectionError, match="late"):
        call_with_retries(policy, failing, sleep=lambda _: None)
    assert failing.num_calls == 1


def test_an_error_while_pausing_ends_the_tries() -> None:
    def stop(_: float) -> None:
        raise InterruptedError

    failing = Failing(ConnectionError())
    with pytest.raises(InterruptedError):
        call_with_retries(THREE, failing, sleep=stop)
    assert failing.num_calls == 1


def test_a_policy_that_never_gives_up_is_refused() -> None:
    with pytest.raises(ValueError, match="never give up"):
        RetryPolicy(may_pass=passes, first_pause_s=1.0)
