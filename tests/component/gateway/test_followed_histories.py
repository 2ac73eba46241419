"""A gateway beside a follower: answers have the events that it has not copied yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cron import wiring
from cron.journal.follow import follow_once
from cron.ledger.forgotten import keys_of
from cron.ports import EventLog, Histories
from tests.component.gateway_process import RunningGateway
from tests.system.machine import until


@dataclass(slots=True)
class Follower:
    """What a worker does each second, when the test wants it."""

    running: RunningGateway
    log: EventLog
    histories: Histories
    num_sent: int = 0

    def follow(self) -> None:
        """Copy all that the log has."""
        while follow_once(self.log, self.histories):
            pass

    def leads_to_memory(self) -> bool:
        """Return whether the gateway leaves its newest event to the follower."""
        self.num_sent += 1
        send(self.running, "other", f"i{self.num_sent}")
        newest = self.histories.recent("other", 1)
        self.follow()
        return [one.item_id for one in newest] != [f"i{self.num_sent}"]


def send(running: RunningGateway, user_id: str, item_id: str) -> None:
    event = {"user_id": user_id, "item_id": item_id, "type": "view"}
    assert running.client.post("/v1/events", json=event).status_code == 202


def history(running: RunningGateway, user_id: str) -> list[str]:
    answer = running.client.get(f"/v1/users/{user_id}/history").raise_for_status()
    return [one["item_id"] for one in answer.json()["events"]]


def asked_history(running: RunningGateway, user_id: str) -> list[str]:
    """Return the items of the history that the model is asked with."""
    running.client.get(f"/v1/recommendations/{user_id}").raise_for_status()
    asked = running.model.asked[-1]["user_seq"]
    assert isinstance(asked, dict)  # columns, since there are several
    return list(asked["id"])


@pytest.fixture
def follower(running: RunningGateway) -> Iterator[Follower]:
    """Return the follower of a gateway that has seen it."""
    store = running.settings.store
    ledger, log = wiring.open_ledger(store.ledger), wiring.open_log(store.events)
    histories = wiring.open_histories(store.histories, keys_of(ledger).of_user)
    follower = Follower(running, log, histories)
    until(follower.leads_to_memory, "the gateway leaves events to the follower", limit_s=60)
    yield follower
    histories.close()
    ledger.close()


def test_the_next_answer_has_what_the_follower_has_not_copied(
    running: RunningGateway, follower: Follower
) -> None:
    send(running, "ann", "5")
    send(running, "ann", "7")
    assert follower.histories.recent("ann", 10) == ()
    assert asked_history(running, "ann") == ["5", "7"]
    assert history(running, "ann") == ["7", "5"]
    follower.follow()
    assert [one.item_id for one in follower.histories.recent("ann", 10)] == ["5", "7"]
    assert asked_history(running, "ann") == ["5", "7"]
    send(running, "ann", "9")
    assert asked_history(running, "ann") == ["5", "7", "9"]


def test_a_user_is_forgotten_before_the_follower_comes(
    running: RunningGateway, follower: Follower
) -> None:
    send(running, "ann", "5")
    assert running.client.delete("/v1/users/ann").status_code == 200
    assert history(running, "ann") == []
    follower.follow()
    assert follower.histories.recent("ann", 10) == ()
    send(running, "ann", "7")
    assert history(running, "ann") == ["7"]


def test_without_the_follower_events_are_written_again(
    running: RunningGateway, follower: Follower
) -> None:
    send(running, "ann", "5")
    until(
        lambda: len(follower.histories.recent("ann", 10)) == 1, "the event is written", limit_s=60
    )
    send(running, "ann", "7")
    assert [one.item_id for one in follower.histories.recent("ann", 10)] == ["5", "7"]
