"""Follow: histories keep up with the log, and are rebuilt from the journal otherwise."""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cron import wiring
from cron.__main__ import main
from cron.errors import ArtifactCorrupt, ArtifactMissing, LogGap
from cron.journal.collect import collect
from cron.journal.copy_retries import CopyRetries
from cron.journal.follow import batch_limit, follow_once, must_rebuild, rebuild
from cron.ledger import journal_rows
from cron.ports import START, Cursor, Histories
from cron.services import Services
from cron.settings.tree import Settings
from cron.urls import files
from cron.worker.lease import held_lease
from cron.worker.worker import Worker
from recommender.records.events import Record
from tests.component.house import House, OthersLog, open_house
from tests.contracts.records import event, item
from tests.workshop import close_workshop, open_workshop


def collected_workshop(services: Services) -> int:
    """Collect all there is; return how many events were new."""
    with held_lease(services.ledger, "test", 60) as lease:
        return collect(services.log, services.journal, services.ledger, lease).num_events


def test_histories_are_rebuilt_from_the_journal_then_the_log(house: House) -> None:
    house.log.append([event(number) for number in range(20)])
    house.log.append([item(1, "hidden", hidden=True)])
    while follow_once(house.log, house.histories):
        pass
    house.collect()
    house.log.trim(journal_rows.log_cursor(house.ledger), house.histories.cursor())
    house.log.append([event(20)])
    house.histories.clear()
    with pytest.raises(LogGap):
        follow_once(house.log, house.histories)
    rebuild(house.journal, house.log, house.histories)
    assert house.histories.recent("u", 100) == tuple(event(number) for number in range(21))
    assert house.histories.hidden() == {"hidden"}
    assert follow_once(house.log, house.histories) == 0


def test_several_gateway_processes_wait_less_for_the_follower() -> None:
    """They write to the histories too, and one batch locks the file."""
    assert batch_limit(2) < batch_limit(1)


def test_a_recreated_log_is_reported_and_histories_stay(house: House, tmp_path: Path) -> None:
    house.log.append([event(1), event(2)])
    house.collect()
    while follow_once(house.log, house.histories):
        pass
    for part in tmp_path.glob("events.db*"):
        part.unlink()
    again = open_house(tmp_path)
    again.log.append([event(2), event(3)])
    again.histories.append([event(3)])  # as the gateway does
    for step in (
        again.collect,
        lambda: follow_once(again.log, again.histories),
        lambda: rebuild(again.journal, again.log, again.histories),
    ):
        with pytest.raises(LogGap):
            step()
    assert again.histories.recent("u", 10) == (event(1), event(2), event(3))
    # What `follow --new-log` does then: begin with what the new log has; nothing counts twice.
    journal_rows.commit_segment(
        again.ledger, None, again.log.give_up(journal_rows.log_cursor(again.ledger)), again.lease
    )
    assert again.collect() == (1, 0, 1)
    rebuild(again.journal, again.log, again.histories)
    assert again.histories.recent("u", 10) == (event(1), event(2), event(3))


def trimmed_by_others(house: House) -> House:
    """Return the house with such a log: the journal holds the events 0 to 9, the log 7 to 11."""
    house.log.append([event(number) for number in range(10)])
    house.collect()
    house.log.trim(house.log.read(START, 7).cursor)
    house.log.append([event(10), event(11)])
    return replace(house, log=OthersLog(house.log))


def test_a_shortened_log_reveals_lost_histories(house: House) -> None:
    house = trimmed_by_others(house)
    assert must_rebuild(house.journal, house.histories)
    rebuild(house.journal, house.log, house.histories)
    assert house.histories.recent("u", 100) == tuple(event(number) for number in range(12))
    assert not must_rebuild(house.journal, house.histories)


class InterruptedHistories:
    """Histories whose writer is interrupted at the first records."""

    def __init__(self, histories: Histories) -> None:
        self.recent, self.past = histories.recent, histories.past
        self.past_at_once, self.hidden_at_once = (
            histories.past_at_once,
            histories.hidden_at_once,
        )
        self.forget, self.forgotten = histories.forget, histories.forgotten
        self.keep_out, self.hidden, self.hidden_among = (
            histories.keep_out,
            histories.hidden,
            histories.hidden_among,
        )
        self.cursor, self.clear = histories.cursor, histories.clear
        self.append_rows, self.close = histories.append_rows, histories.close

    def append(self, records: Sequence[Record], *, cursor: Cursor | None = None) -> None:
        raise KeyboardInterrupt


def test_a_rebuild_that_was_cut_off_is_asked_for_again(house: House) -> None:
    house = trimmed_by_others(house)
    rebuild(house.journal, house.log, house.histories)
    with pytest.raises(KeyboardInterrupt):
        rebuild(house.journal, house.log, InterruptedHistories(house.histories))
    assert must_rebuild(house.journal, house.histories)


def test_without_collected_records_nothing_is_rebuilt(
    house: House,
) -> None:
    assert not must_rebuild(house.journal, house.histories)
    journal_rows.commit_segment(house.ledger, None, house.log.read(START, 10).cursor, house.lease)
    house.log.append([event(1)])
    journal_rows.commit_segment(
        house.ledger, None, house.log.read(START, 10).cursor, house.lease
    )  # as when it was no record
    rebuild(house.journal, house.log, house.histories)
    assert not must_rebuild(house.journal, house.histories), (
        "else it would be rebuilt at every look"
    )


def test_follow_rebuilds_lost_histories(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    services = wiring.open_services(settings)
    services.log.append([event(number) for number in range(10)])
    assert collected_workshop(services) == 10
    services.log.trim(journal_rows.log_cursor(services.ledger))
    assert main(["follow", "--once"]) == 0
    assert len(services.histories.recent("u", 100)) == 10
    assert "records followed" in capsys.readouterr().out


def test_a_segment_that_is_damaged_or_missing_costs_no_history(
    house: House, tmp_path: Path
) -> None:
    for number in range(3):
        house.log.append([event(number)])
        house.collect()
    house.histories.append([event(number) for number in range(3)])
    shutil.rmtree(tmp_path / "journal" / "segments")
    last = journal_rows.segments(house.ledger)[-1].name
    (tmp_path / "archives" / last).write_bytes(b"damaged")
    with pytest.raises(ArtifactCorrupt):
        rebuild(house.journal, house.log, house.histories)
    house.artifacts.delete(last)
    with pytest.raises(ArtifactMissing):
        rebuild(house.journal, house.log, house.histories)
    assert len(house.histories.recent("u", 100)) == 3


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Services]:
    """A worker's services with ten followed events, trimmed off a log that reports no gap."""
    services = open_workshop(tmp_path)
    services.log.append([event(number) for number in range(10)])
    assert collected_workshop(services) == 10
    Worker(services)._follow()
    services.log.trim(journal_rows.log_cursor(services.ledger))
    yield replace(services, log=OthersLog(services.log))
    close_workshop(services)


def test_the_worker_rebuilds_lost_histories(workshop: Services) -> None:
    workshop.histories.clear()
    Worker(workshop)._follow()
    assert len(workshop.histories.recent("u", 100)) == 10


def test_a_damaged_journal_loses_no_history(
    workshop: Services, caplog: pytest.LogCaptureFixture
) -> None:
    (segment,) = journal_rows.segments(workshop.ledger)
    workshop.histories.append((), cursor=START)  # as if the log had been trimmed past their place
    shutil.move(workshop.paths.journal / "segments", workshop.paths.var / "away")
    workshop.artifacts.delete(segment.name)
    worker = Worker(workshop)
    for _ in range(3):
        worker._follow()
        assert len(workshop.histories.recent("u", 100)) == 10
    shutil.copytree(
        workshop.paths.var / "away", workshop.paths.journal / "segments", dirs_exist_ok=True
    )
    worker._follow()
    assert workshop.histories.cursor() == START, "it is looked at again in a minute"
    worker._copies = CopyRetries()
    worker._follow()
    assert workshop.histories.cursor() == journal_rows.log_cursor(workshop.ledger)
    assert [record.getMessage() for record in caplog.records].count("histories not followed") == 1


class EndsAfter(io.StringIO):
    """A standard error that sends SIGTERM to this process after some text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def write(self, text: str) -> int:
        written = super().write(text)
        if self._text in text:
            os.kill(os.getpid(), signal.SIGTERM)
        return written


def test_follow_goes_on_when_the_journal_is_damaged(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = wiring.open_services(settings)
    services.log.append([event(number) for number in range(10)])
    assert collected_workshop(services) == 10
    services.log.append([event(10)])
    services.histories.append((), cursor=journal_rows.log_cursor(services.ledger))
    (segment,) = journal_rows.segments(services.ledger)
    shutil.rmtree(services.paths.journal / "segments")
    services.artifacts.delete(segment.name)
    monkeypatch.setattr(sys, "stderr", EndsAfter("items not followed"))
    assert main(["follow"]) == 0
    assert services.histories.recent("u", 100) == (event(10),)


def test_a_recreated_log_is_read_after_new_log(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    records: Sequence[Record] = [event(number) for number in range(10)]
    services = wiring.open_services(settings)
    services.log.append(records)
    assert collected_workshop(services) == 10
    for leftover in files.parse(settings.store.ledger).path.parent.glob("events.db*"):
        leftover.unlink()
    again = wiring.open_services(settings)
    again.log.append(records)
    with pytest.raises(LogGap, match="follow --new-log"):
        collected_workshop(again)
    assert main(["follow", "--new-log", "--once"]) == 0
    assert collected_workshop(again) == 0, "nothing counts twice"
    assert again.histories.recent("u", 100) == tuple(records)
    assert "records followed" in capsys.readouterr().out


@pytest.mark.parametrize("num_collected", [0, 2])
def test_a_trimmed_log_is_collected_after_new_log(
    settings: Settings, capsys: pytest.CaptureFixture[str], num_collected: int
) -> None:
    services = wiring.open_services(settings)
    services.log.append([event(number) for number in range(num_collected)])
    assert collected_workshop(services) == num_collected
    services.log.append([event(number) for number in range(num_collected, 10)])
    services.log.trim(services.log.read(START, 5).cursor)
    with pytest.raises(LogGap, match="follow --new-log"):
        collected_workshop(services)
    assert main(["follow", "--new-log", "--once"]) == 0
    assert collected_workshop(services) == 5
    assert len(services.histories.recent("u", 100)) == num_collected + 5
    services.log.append([event(10)])
    assert collected_workshop(services) == 1
    assert "records followed" in capsys.readouterr().out
