"""Writing ahead: the most wanted first, once, within the budget of the hour."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from copywriter.brief import Brief
from copywriter.writing.verified import VerifiedText
from copywriter.writing.writer import CopyWriter, WriterAnswer
from cron.copy.ask_now import write_now
from cron.copy.recheck import take_back_rejected
from cron.copy.write_ahead import CopyWork, write_ahead
from cron.errors import Unavailable
from cron.ledger import copy_cost_rows, copy_rows, wanted_rows, writer_rows
from cron.ledger.ledger import Ledger, open_ledger
from cron.settings.copy_settings import CopySettings
from tests.film_briefs import film_brief
from tests.planted_writer import PlantedWriter

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BLUE, RED = film_brief("Blue Train"), film_brief("Red Boat")


def true_text(brief: Brief, seed: int) -> str:
    return f"{brief.items[0].title} is a drama by Eva Stone."


def lie(brief: Brief, seed: int) -> str:
    return f"{brief.items[0].title} won 7 awards."


class Clocks:
    """The time of day, and one that each look moves on by a second."""

    def __init__(self) -> None:
        self.now = NOW
        self.seconds = 0.0

    def monotonic(self) -> float:
        self.seconds += 1.0
        return self.seconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def ledger(tmp_path: Path, clocks: Clocks) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.db", now=lambda: clocks.now)
    writer_rows.add(opened, "planted", name="planted")
    writer_rows.set_live(opened, "planted")
    yield opened
    opened.close()


@pytest.fixture
def begin(ledger: Ledger, clocks: Clocks) -> Callable[..., CopyWork]:
    def work(writer: CopyWriter | None, settings: CopySettings | None = None) -> CopyWork:
        return CopyWork(
            ledger=ledger,
            settings=settings or CopySettings(writer="torchserve:"),
            open_writer=lambda: writer,
            stop=threading.Event(),
            monotonic=clocks.monotonic,
        )

    return work


def ready_texts(ledger: Ledger, *briefs: Brief) -> list[str]:
    return [one.text for one in copy_rows.ready(ledger, [b.digest() for b in briefs]).values()]


def test_what_was_wanted_is_written_once(ledger: Ledger, begin: Callable[..., CopyWork]) -> None:
    wanted_rows.add(ledger, Counter({BLUE: 1, RED: 5}))
    writer = PlantedWriter(true_text)
    assert write_ahead(begin(writer)) == 2
    assert writer.asked == [[RED, BLUE]]  # the most wanted first
    assert sorted(ready_texts(ledger, BLUE, RED))[0] == "Blue Train is a drama by Eva Stone."
    wanted_rows.add(ledger, Counter({BLUE: 1}))  # a gateway that has not read it yet
    assert write_ahead(begin(writer)) == 0
    assert len(writer.asked) == 1
    assert wanted_rows.count(ledger) == 0


def test_a_changed_fact_is_another_text(ledger: Ledger, begin: Callable[..., CopyWork]) -> None:
    wanted_rows.add(ledger, Counter([BLUE]))
    write_ahead(begin(PlantedWriter(true_text)))
    changed = film_brief("Blue Train", director="Max Reed")
    assert ready_texts(ledger, changed) == []


def test_a_lying_writer_costs_templates_once(
    ledger: Ledger, begin: Callable[..., CopyWork]
) -> None:
    wanted_rows.add(ledger, Counter([BLUE]))
    writer = PlantedWriter(lie)
    assert write_ahead(begin(writer)) == 1
    assert ready_texts(ledger, BLUE) == []
    assert len(writer.asked) == 2
    spent = copy_cost_rows.this_hour(ledger)
    assert (spent.num_written, spent.num_templates) == (0, 1)
    assert sum(copy_cost_rows.by_rule(ledger).values()) >= 2
    wanted_rows.add(ledger, Counter([BLUE]))
    write_ahead(begin(writer))
    assert len(writer.asked) == 2


def test_an_hours_seconds_end_the_writing(
    ledger: Ledger, clocks: Clocks, begin: Callable[..., CopyWork]
) -> None:
    briefs = [film_brief(f"Film {number}") for number in range(4)]
    wanted_rows.add(ledger, Counter(briefs))
    settings = CopySettings(writer="torchserve:", at_once=1, seconds_per_hour=2.0)
    writer = PlantedWriter(true_text)
    assert write_ahead(begin(writer, settings)) == 2  # a second each, by this clock
    assert write_ahead(begin(writer, settings)) == 0
    clocks.now += timedelta(hours=1)
    assert write_ahead(begin(writer, settings)) == 2


def test_an_hours_money_ends_the_writing(ledger: Ledger, begin: Callable[..., CopyWork]) -> None:
    wanted_rows.add(ledger, Counter([BLUE, RED]))
    # two for a token of a prompt, one for another
    settings = CopySettings(
        writer="torchserve:", at_once=1, cost_per_hour=3.0, prompt_price=2e6, output_price=1e6
    )
    assert write_ahead(begin(PlantedWriter(true_text), settings)) == 1
    assert copy_cost_rows.this_hour(ledger).cost == 3.0
    assert wanted_rows.count(ledger) == 1


def test_other_languages_are_left_to_templates(
    ledger: Ledger, begin: Callable[..., CopyWork]
) -> None:
    wanted_rows.add(ledger, Counter([film_brief(language="zh")]))
    settings = CopySettings(writer="torchserve:", languages=("en",))
    assert write_ahead(begin(PlantedWriter(true_text), settings)) == 0


def test_a_writer_that_is_away_costs_templates_only(
    ledger: Ledger, begin: Callable[..., CopyWork]
) -> None:
    class AwayWriter:
        digest = "planted"

        def write(self, briefs: Sequence[Brief], *, seed: int, within_s: float) -> WriterAnswer:
            raise Unavailable("the writer", where="here", why="killed")

    wanted_rows.add(ledger, Counter([BLUE]))
    assert write_ahead(begin(AwayWriter())) == 0
    assert wanted_rows.count(ledger) == 1  # written when it is back
    assert write_now(begin(AwayWriter()), BLUE, 1.0) is None


def test_a_writer_without_time_is_not_asked_forever(
    ledger: Ledger, begin: Callable[..., CopyWork]
) -> None:
    wanted_rows.add(ledger, Counter([BLUE]))
    writer = PlantedWriter(lambda brief, seed: None)
    assert write_ahead(begin(writer)) == 0
    assert len(writer.asked) == 1


def test_a_slow_machine_gets_its_texts_one_by_one(
    ledger: Ledger, begin: Callable[..., CopyWork]
) -> None:
    class SlowWriter(PlantedWriter):
        def write(self, briefs: Sequence[Brief], *, seed: int, within_s: float) -> WriterAnswer:
            if len(briefs) > 1:
                raise Unavailable("the writer", where="here", why="timed out")
            return super().write(briefs, seed=seed, within_s=within_s)

    wanted_rows.add(ledger, Counter({BLUE: 1, RED: 5}))
    assert write_ahead(begin(SlowWriter(true_text))) == 2
    assert len(ready_texts(ledger, BLUE, RED)) == 2


def test_calls_that_time_out_end_with_the_budget(
    ledger: Ledger, begin: Callable[..., CopyWork]
) -> None:
    num_calls = 0

    class StuckWriter:
        digest = "planted"

        def write(self, briefs: Sequence[Brief], *, seed: int, within_s: float) -> WriterAnswer:
            nonlocal num_calls
            num_calls += 1
            raise Unavailable("the writer", where="here", why="timed out")

    wanted_rows.add(ledger, Counter([BLUE]))
    settings = CopySettings(writer="torchserve:", seconds_per_hour=2.0)
    for _ in range(9):
        assert write_ahead(begin(StuckWriter(), settings)) == 0  # a second each, by this clock
    assert num_calls == 2


def test_without_a_live_writer_nothing_is_written(
    ledger: Ledger, begin: Callable[..., CopyWork]
) -> None:
    wanted_rows.add(ledger, Counter([BLUE]))
    assert write_ahead(begin(None)) == 0
    assert write_now(begin(None), BLUE, 1.0) is None


def test_old_texts_are_deleted(
    ledger: Ledger, clocks: Clocks, begin: Callable[..., CopyWork]
) -> None:
    wanted_rows.add(ledger, Counter([BLUE]))
    write_ahead(begin(PlantedWriter(true_text)))
    clocks.now += timedelta(days=36)
    write_ahead(begin(None))
    assert ready_texts(ledger, BLUE) == []


def test_a_text_asked_for_now_is_stored(ledger: Ledger, begin: Callable[..., CopyWork]) -> None:
    made = write_now(begin(PlantedWriter(true_text)), BLUE, 1.0)
    assert made is not None
    assert (made.text, made.source) == (true_text(BLUE, 0), "writer")
    assert ready_texts(ledger, BLUE) == [made.text]


def test_a_lie_asked_for_now_is_never_answered(
    ledger: Ledger, begin: Callable[..., CopyWork]
) -> None:
    writer = PlantedWriter(lie)
    assert write_now(begin(writer), BLUE, 1.0) is None
    assert write_now(begin(writer), BLUE, 1.0) is None
    assert len(writer.asked) == 2  # the second call knows the outcome


def test_a_stricter_rule_takes_stored_texts_back(
    ledger: Ledger, begin: Callable[..., CopyWork]
) -> None:
    """A text of an older Freshet that today's rules reject is not shown; it is written again."""
    digest = RED.digest()
    old = VerifiedText(brief=RED, text="Red Boat won 7 awards.", source="writer")
    wanted_rows.add(ledger, Counter([BLUE]))
    write_ahead(begin(PlantedWriter(true_text)))
    copy_rows.store(ledger, "planted", [old])
    assert take_back_rejected(ledger, threading.Event()) == 1
    assert ready_texts(ledger, BLUE, RED) == ["Blue Train is a drama by Eva Stone."]
    assert copy_rows.without_outcome(ledger, "planted", [digest]) == {digest}
    copy_rows.store(ledger, "planted", [old])
    copy_rows.decide(ledger, digest, "pin", None, by="ann")
    take_back_rejected(ledger, threading.Event())
    assert "Red Boat won 7 awards." in ready_texts(ledger, RED)
