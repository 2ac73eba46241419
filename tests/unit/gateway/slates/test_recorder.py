"""The recorder of slates: groups, a full queue, a log that is away, and the end."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest

from cron.errors import Unavailable
from gateway.bodies.recommendations import FallbackAnswer, PinnedItem, RankedAnswer, RankedItem
from gateway.slates.recorder import RecorderLimits, SlateOutcome, SlateRecorder, running_recorder
from recommender.records.slates import Slate

WAIT_S = 60.0
QUICK = RecorderLimits(group_slates=3, gather_s=0.01, first_retry_s=0.01, end_s=WAIT_S)


class Log:
    """Keeps groups; while it is not let it blocks, and while it is away it raises."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.num_calls = 0
        self.is_let = threading.Event()
        self.is_let.set()
        self.is_away = False

    def append(self, slates: Sequence[Slate]) -> None:
        self.num_calls += 1
        if slates[0].event_id == "poison":
            raise ValueError("poison")
        assert self.is_let.wait(WAIT_S)
        if self.is_away:
            raise Unavailable("the log", where="nowhere", why="it is away")
        self.groups.append([slate.event_id for slate in slates])

    @property
    def ids(self) -> list[str]:
        return [one for group in self.groups for one in group]


def answer(number: int, *, num_items: int = 1, item_id: str = "i") -> RankedAnswer:
    items = tuple(
        RankedItem(rank=rank, id=f"{item_id}{rank}", title=None, score=1.0)
        for rank in range(1, num_items + 1)
    )
    return RankedAnswer(
        recommendation_id=f"r{number}", user_id=f"u{number}", model_version=3, items=items
    )


def run(
    log: Log,
    work: Callable[[SlateRecorder], Awaitable[None]],
    *,
    limits: RecorderLimits = QUICK,
) -> tuple[SlateRecorder, Counter[SlateOutcome]]:
    """Run a recorder around some work; return it after its end, with what was counted."""
    counted = Counter[SlateOutcome]()

    def count(outcome: SlateOutcome, number: int) -> None:
        counted[outcome] += number

    async def main() -> SlateRecorder:
        async with running_recorder(log.append, count, limits=limits) as recorder:
            await work(recorder)
        return recorder

    return asyncio.run(asyncio.wait_for(main(), 2 * WAIT_S)), counted


async def until(is_true: Callable[[], bool]) -> None:
    while not is_true():
        await asyncio.sleep(0)


def test_every_list_is_stored_in_order_and_in_groups() -> None:
    log = Log()

    async def work(recorder: SlateRecorder) -> None:
        for number in range(7):
            recorder.record(answer(number))
        await until(lambda: recorder.state().stored == 7)

    _, counted = run(log, work)
    assert log.ids == [f"r{number}" for number in range(7)]
    assert [len(group) for group in log.groups] == [3, 3, 1]
    assert counted == {"stored": 7}


def test_a_shutdown_stores_what_waits() -> None:
    log = Log()

    async def work(recorder: SlateRecorder) -> None:
        for number in range(50):
            recorder.record(answer(number))

    recorder, counted = run(
        log, work, limits=RecorderLimits(gather_s=WAIT_S, group_slates=100, end_s=WAIT_S)
    )
    assert log.ids == [f"r{number}" for number in range(50)]
    assert recorder.state().waiting == 0
    assert counted == {"stored": 50}


@pytest.mark.parametrize(
    "limits",
    [
        RecorderLimits(max_slates=4, group_slates=2, gather_s=0.01),
        RecorderLimits(max_items=4, group_slates=2, gather_s=0.01),
    ],
    ids=["slates", "items"],
)
def test_a_full_queue_drops_and_counts(limits: RecorderLimits) -> None:
    """A log that hangs delays no answer: `record` returns at once."""
    log = Log()
    log.is_let.clear()

    async def work(recorder: SlateRecorder) -> None:
        for number in range(10):
            recorder.record(answer(number))
        await until(lambda: log.num_calls == 1)
        assert (recorder.state().waiting, recorder.state().dropped) == (4, 6)
        log.is_let.set()
        await until(lambda: recorder.state().stored == 4)
        recorder.record(answer(10))
        await until(lambda: recorder.state().stored == 5)

    _, counted = run(log, work, limits=limits)
    assert log.ids == ["r0", "r1", "r2", "r3", "r10"]
    assert counted == {"stored": 5, "queue_full": 6}


def test_a_log_that_comes_back_gets_what_waited() -> None:
    log = Log()
    log.is_away = True

    async def work(recorder: SlateRecorder) -> None:
        for number in range(5):
            recorder.record(answer(number))
        await until(lambda: log.num_calls >= 3)
        assert recorder.state().waiting == 5
        log.is_away = False
        await until(lambda: recorder.state().stored == 5)

    _, counted = run(log, work)
    assert log.ids == [f"r{number}" for number in range(5)]
    assert counted == {"stored": 5}


def test_a_log_that_stays_away_ends_no_shutdown() -> None:
    log = Log()
    log.is_away = True

    async def work(recorder: SlateRecorder) -> None:
        for number in range(5):
            recorder.record(answer(number))

    limits = RecorderLimits(group_slates=3, gather_s=0.01, first_retry_s=0.01, end_s=0.05)
    recorder, counted = run(log, work, limits=limits)
    assert log.ids == []
    assert (recorder.state().waiting, recorder.state().dropped) == (0, 5)
    assert counted == {"log_away": 5}


def test_what_no_log_can_hold_is_counted_and_spoils_no_group() -> None:
    log = Log()

    async def work(recorder: SlateRecorder) -> None:
        recorder.record(answer(1))
        recorder.record(answer(2, item_id="from before the rule\n"))
        recorder.record(answer(3, num_items=600, item_id="x" * 500))
        recorder.record(answer(4, item_id="日本"))

    _, counted = run(log, work)
    assert log.ids == ["r1", "r4"]
    assert counted == {"stored": 2, "not_storable": 2}


def test_an_error_of_the_log_loses_its_group_only(caplog: pytest.LogCaptureFixture) -> None:
    log = Log()

    async def work(recorder: SlateRecorder) -> None:
        recorder.record(replace(answer(1), recommendation_id="poison"))
        await until(lambda: recorder.state().dropped == 1)
        recorder.record(answer(2))

    _, counted = run(log, work)
    assert log.ids == ["r2"]
    assert counted == {"stored": 1, "not_storable": 1}
    assert "can't be stored" in caplog.text


def test_switched_off_it_takes_nothing() -> None:
    async def main() -> None:
        async with running_recorder(None, lambda _outcome, _number: None) as recorder:
            recorder.record(answer(1))
            state = recorder.state()
        assert (state.recording, state.waiting, state.dropped) == (False, 0, 0)

    asyncio.run(main())


def test_pins_and_fallbacks_are_told_apart() -> None:
    kept: list[Slate] = []

    async def main() -> None:
        async with running_recorder(kept.extend, lambda _outcome, _number: None) as recorder:
            pin = PinnedItem(rank=1, id="p", title=None)
            item = RankedItem(rank=2, id="i", title=None, score=0.5, propensity=0.25)
            recorder.record(
                RankedAnswer(
                    recommendation_id="r1",
                    user_id=None,
                    model_version=3,
                    policy="plackett_luce",
                    items=(pin, item),
                    placement="home",
                    experiment="colours",
                    arm="red",
                )
            )
            recorder.record(
                FallbackAnswer(
                    recommendation_id="r2",
                    user_id="null",
                    model_version=None,
                    items=(pin,),
                    reason="the model server did not answer",
                )
            )

    asyncio.run(main())
    ranked, fallback = kept
    assert (ranked.items, ranked.propensities) == (("p", "i"), (None, 0.25))
    assert (ranked.policy, ranked.placement, ranked.version) == ("plackett_luce", "home", 3)
    assert (ranked.arm, fallback.arm) == ("colours/red", None)
    assert (ranked.fallback, fallback.fallback) == (False, True)
    assert (fallback.policy, fallback.version, fallback.user_id) == ("popular", None, None)
