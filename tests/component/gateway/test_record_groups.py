"""Small calls with records: they share transactions, and each has its own answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cron.backends.sqlite.item_records import SqliteItemRecords
from cron.journal.dead_letters import DeadLetters
from gateway.content.parsed_events import ParsedEvents, batch_of
from gateway.intake.record_ids import RecordIds
from gateway.intake.record_intake import RecordIntake
from tests.component.gateway_process import RunningGateway
from tests.component.house import open_house
from tests.contracts.records import event

VIEW = {"user_id": "ann", "item_id": "5", "type": "view"}


def batch(*numbers: int) -> ParsedEvents:
    return batch_of([event(number) for number in numbers], assigned=())


def test_each_call_of_a_group_has_its_own_duplicates(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    intake = RecordIntake(
        house.log,
        house.histories,
        SqliteItemRecords(tmp_path / "items.db"),
        DeadLetters(tmp_path / "dead-letters.jsonl"),
        new_id=RecordIds(),
    )
    assert intake.store_events([batch(1), batch(2, 3)]) == [0, 0]
    assert intake.store_events([batch(4, 1), batch(5), batch(2, 4, 3)]) == [1, 0, 3]
    assert {one.event_id for one in house.histories.recent("u", 10)} == {
        event(number).event_id for number in range(1, 6)
    }


def test_calls_at_the_same_time_are_all_stored(running: RunningGateway) -> None:
    def send(number: int) -> dict[str, int]:
        body = [{**VIEW, "event_id": f"e{number}"}, {**VIEW, "event_id": "same"}]
        answer = running.client.post("/v1/events", json=body)
        assert answer.status_code == 202
        found: dict[str, int] = answer.json()
        return found

    with ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(send, range(24))]
    assert sum(one["accepted"] for one in answers) == 25
    assert sum(one["duplicates"] for one in answers) == 23
    assert len(running.log_records()) == 25


def test_one_wrong_record_is_named_and_the_others_are_kept(running: RunningGateway) -> None:
    answer = running.client.post("/v1/events", json=[VIEW, {**VIEW, "item_id": ""}, VIEW])
    assert answer.status_code == 202
    found = answer.json()
    assert (found["accepted"], found["rejected"][0]["index"]) == (2, 1)
    assert [one["index"] for one in found["event_ids"]] == [0, 2]
    assert len(running.log_records()) == 2
