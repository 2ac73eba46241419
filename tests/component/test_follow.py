"""Follow: the histories keep up with the log, and are made anew from the journal when they can't."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from cron import wiring
from cron.__main__ import main
from cron.collect import collect
from cron.config import Settings
from cron.errors import LogGap
from cron.follow import follow_once, rebuild
from cron.lease import held_lease
from cron.parts import Parts
from cron.ports import START
from recommender.events import Record
from tests.component.gateway_process import settings_in
from tests.component.house import House, open_house
from tests.contracts.records import event, item


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings in a folder, in force for the command line."""
    settings = settings_in(tmp_path, inference_port=9)
    for name in ("events", "histories", "artifacts", "ledger", "server", "var"):
        monkeypatch.setenv(f"FRESHET__STORE__{name.upper()}", getattr(settings.store, name))
    return settings


def collected(parts: Parts) -> int:
    """Collect all there is; return how many events were new."""
    with held_lease(parts.ledger, "test", 60) as lease:
        return collect(parts.log, parts.journal, parts.ledger, lease).num_events


def test_histories_are_rebuilt_from_the_journal_then_the_log(house: House) -> None:
    house.log.append([event(number) for number in range(20)])
    house.log.append([item(1, "hidden", hidden=True)])
    while follow_once(house.log, house.histories):
        pass
    house.collect()
    house.log.trim(house.ledger.log_cursor(), house.histories.cursor())
    house.log.append([event(20)])
    house.histories.clear()
    with pytest.raises(LogGap):
        follow_once(house.log, house.histories)
    rebuild(house.journal, house.log, house.histories)
    assert house.histories.recent("u", 100) == tuple(event(number) for number in range(21))
    assert house.histories.hidden() == {"hidden"}
    assert follow_once(house.log, house.histories) == 0


def test_a_recreated_log_is_told_and_leaves_the_histories_alone(house: House, tmp_path: Path) -> None:
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
    again.ledger.commit_segment(None, again.log.give_up(again.ledger.log_cursor()), again.lease)
    assert again.collect() == (1, 0, 1)
    rebuild(again.journal, again.log, again.histories)
    assert again.histories.recent("u", 10) == (event(1), event(2), event(3))


def test_a_log_made_anew_is_read_from_its_start_once_a_person_says_so(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    records: Sequence[Record] = [event(number) for number in range(10)]
    parts = wiring.open_parts(settings)
    parts.log.append(records)
    assert collected(parts) == 10
    for leftover in wiring.local_path(settings.store.ledger).parent.glob("events.db*"):
        leftover.unlink()
    again = wiring.open_parts(settings)
    again.log.append(records)
    with pytest.raises(LogGap, match="follow --new-log"):
        collected(again)
    assert main(["follow", "--new-log", "--once"]) == 0
    assert collected(again) == 0, "nothing counts twice"
    assert again.histories.recent("u", 100) == tuple(records)
    assert "records followed" in capsys.readouterr().out


@pytest.mark.parametrize("num_collected", [0, 2])
def test_a_log_that_was_trimmed_past_a_restored_ledger_is_collected_again_once_a_person_says_so(
    settings: Settings, capsys: pytest.CaptureFixture[str], num_collected: int
) -> None:
    parts = wiring.open_parts(settings)
    parts.log.append([event(number) for number in range(num_collected)])
    assert collected(parts) == num_collected
    parts.log.append([event(number) for number in range(num_collected, 10)])
    parts.log.trim(parts.log.read(START, 5).cursor)
    with pytest.raises(LogGap, match="follow --new-log"):
        collected(parts)
    assert main(["follow", "--new-log", "--once"]) == 0
    assert collected(parts) == 5
    assert len(parts.histories.recent("u", 100)) == num_collected + 5
    parts.log.append([event(10)])
    assert collected(parts) == 1
    assert "records followed" in capsys.readouterr().out
