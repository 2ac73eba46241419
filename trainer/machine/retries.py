"""Repeat a call whose error may pass: a bounded number of times, with pauses that double.

Only for calls that are safe to make twice. Waiting for a condition is not a retry. Imports no
torch.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception
from tenacity.stop import stop_after_attempt, stop_after_delay, stop_any, stop_base
from tenacity.wait import wait_exponential

Result = TypeVar("Result")
_SHORTEST_SHARE = 0.5  # of a pause; several callers whose calls failed together come back apart


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Which errors may pass, and when to give up.

    `may_pass` says whether the call may succeed after this error. There are at most `max_tries`
    calls, and none after one that failed later than `limit_s` after the start; one of the two is
    required. Each pause is a random 50 to 100 % of `first_pause_s`, doubled after each failure up
    to `longest_pause_s`.
    """

    may_pass: Callable[[BaseException], bool]
    first_pause_s: float
    longest_pause_s: float = 60.0
    max_tries: int | None = None
    limit_s: float | None = None

    def __post_init__(self) -> None:
        if self.max_tries is None and self.limit_s is None:
            raise ValueError("a RetryPolicy without max_tries and limit_s would never give up")


def call_with_retries(
    policy: RetryPolicy,
    call: Callable[[], Result],
    *,
    sleep: Callable[[float], object] = time.sleep,
    before_pause: Callable[[BaseException, int], object] | None = None,
) -> Result:
    """Return the result of the call; raise the error of its last try.

    `before_pause` gets each error that is followed by another try, and the number of tries so far.
    """

    def on_pause(state: RetryCallState) -> None:
        error = _error_of(state)
        if before_pause is not None and error is not None:
            before_pause(error, state.attempt_number)

    def pause(seconds: float) -> None:
        sleep(seconds)

    retrying = Retrying(
        retry=retry_if_exception(policy.may_pass),
        stop=_stop(policy),
        wait=_pauses(policy),
        sleep=pause,
        before_sleep=on_pause,
        reraise=True,
    )
    return retrying(call)


def _stop(policy: RetryPolicy) -> stop_base:
    stops: list[stop_base] = []
    if policy.max_tries is not None:
        stops.append(stop_after_attempt(policy.max_tries))
    if policy.limit_s is not None:
        stops.append(stop_after_delay(policy.limit_s))
    return stop_any(*stops)


def _pauses(policy: RetryPolicy) -> Callable[[RetryCallState], float]:
    longest = wait_exponential(multiplier=policy.first_pause_s, max=policy.longest_pause_s)
    return lambda state: longest(state) * random.uniform(_SHORTEST_SHARE, 1.0)


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
