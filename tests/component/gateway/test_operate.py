"""The calls that operate Freshet decide what the verbs decide, and record who and why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from cron import wiring
from cron.ledger import decision_rows, holds, lease_row, trial_rows
from cron.ledger.ledger import Ledger
from cron.services import Services
from cron.serving.decisions import Decisions
from gateway.app import create_app
from tests.component.gateway_process import RunningGateway, gateway, settings_in
from tests.fakes import FakeServer
from tests.shelf import open_shelf
from tests.trials import begin_trial
from tests.workshop import close_workshop, server_of

KEY = {"Authorization": "Bearer the-key"}


@dataclass(frozen=True, kw_only=True)
class OperatedGateway:
    """A gateway of releases 1, 2 and 3, which are loaded; 3 is live."""

    client: httpx.Client
    ledger: Ledger
    server: FakeServer

    def post(self, action: str, body: object = None) -> httpx.Response:
        return self.client.post(f"/v1/operate/{action}", json=body, headers=KEY)

    def decisions(self) -> list[tuple[str, int | None, str, str | None]]:
        """Return the decisions in the ledger, newest first."""
        newest = decision_rows.newest(self.ledger, 99)
        return [(one.action, one.version, one.by, one.why) for one in newest]


@pytest.fixture
def gateway_of_three(tmp_path: Path) -> Iterator[OperatedGateway]:
    shelf: Services = open_shelf(tmp_path, 1, 2, 3)
    settings = settings_in(tmp_path, inference_port=9, api_key="the-key")
    app = create_app(settings)
    with gateway(settings, app=app) as client:
        app.state.services = replace(
            app.state.services,
            decisions=Decisions(shelf.ledger, lambda: shelf.server, lambda: shelf.artifacts),
        )
        yield OperatedGateway(client=client, ledger=shelf.ledger, server=server_of(shelf))
    close_workshop(shelf)


def test_a_rollback_is_carried_out_with_who_and_why(gateway_of_three: OperatedGateway) -> None:
    answer = gateway_of_three.post("rollback", {"live": 3, "reason": "odd titles"})
    assert answer.status_code == 200
    assert (answer.json()["version"], answer.json()["was"]) == (2, 3)
    assert gateway_of_three.server.live() == 2
    reason = "rolled back from version 3 to 2 by the key 'gateway.api_key': odd titles"
    assert answer.json()["hold"]["reason"] == reason
    assert gateway_of_three.decisions() == [
        ("rollback", 2, "the key 'gateway.api_key'", "odd titles")
    ]
    shown = gateway_of_three.client.get("/v1/status", headers=KEY).json()
    assert shown["hold"]["reason"] == reason
    assert (shown["decisions"][0]["action"], shown["decisions"][0]["why"]) == (
        "rollback",
        "odd titles",
    )


def test_a_button_pressed_twice_goes_back_once(gateway_of_three: OperatedGateway) -> None:
    assert gateway_of_three.post("rollback", {"live": 3}).status_code == 200
    again = gateway_of_three.post("rollback", {"live": 3})
    assert again.status_code == 409
    assert "version 2 is live now" in again.json()["error"]["reason"]
    assert gateway_of_three.server.live() == 2
    assert len(gateway_of_three.decisions()) == 1


def test_a_promotion_of_what_was_seen_before_a_switch_is_refused(
    gateway_of_three: OperatedGateway,
) -> None:
    assert gateway_of_three.post("rollback", {"live": 3}).status_code == 200
    late = gateway_of_three.post("promote", {"version": 1, "live": 3})
    assert (late.status_code, gateway_of_three.server.live()) == (409, 2)


def test_a_promotion_leaves_the_pause(gateway_of_three: OperatedGateway) -> None:
    gateway_of_three.post("pause", {"reason": "inventory"})
    answer = gateway_of_three.post("promote", {"version": 1, "reason": "the best"})
    assert (answer.status_code, answer.json()["version"]) == (200, 1)
    assert answer.json()["hold"]["reason"] == "inventory"
    assert gateway_of_three.server.live() == 1
    assert [one[:2] for one in gateway_of_three.decisions()] == [("promote", 1), ("pause", None)]


def test_a_pause_holds_until_somebody_resumes(gateway_of_three: OperatedGateway) -> None:
    assert (
        gateway_of_three.post("pause").json()["hold"]["reason"]
        == "paused by the key 'gateway.api_key'"
    )
    answer = gateway_of_three.post("resume", {"exclude": [[5, 9], [8, 12]]})
    assert answer.json() == {"was_paused": True, "excluded": [[5, 12]]}
    assert holds.current(gateway_of_three.ledger) is None
    assert gateway_of_three.post("resume", {}).json()["was_paused"] is False


@pytest.mark.parametrize(
    ("action", "body", "status", "field"),
    [
        ("rollback", {"version": 17}, 400, "version"),
        ("rollback", {"version": "2"}, 400, "version"),
        ("rollback", {"verison": 2}, 400, "verison"),
        ("rollback", {"live": 10**30}, 400, "live"),
        ("promote", {}, 400, "version"),
        ("promote", {"version": 2**63}, 400, "version"),
        ("promote", {"version": True}, 400, "version"),
        ("pause", {"reason": "x" * 501}, 400, "reason"),
        ("pause", {"reason": "a\0b"}, 400, "reason"),
        ("pause", {"reason": "clear\x1b[2J"}, 400, "reason"),
        ("pause", {"reason": "two\nlines"}, 400, "reason"),
        ("pause", {"reason": "a line\n"}, 400, "reason"),
        ("pause", [], 400, "body"),
        ("resume", {"exclude": [[9, 5]]}, 400, "exclude"),
        ("resume", {"exclude": [[0, 5]]}, 400, "exclude"),
        ("resume", {"exclude": [[5, 10**30]]}, 400, "exclude"),
        ("resume", {"exclude": [5]}, 400, "exclude"),
    ],
)
def test_a_wrong_body_is_refused_and_nothing_is_done(
    gateway_of_three: OperatedGateway, action: str, body: object, status: int, field: str
) -> None:
    answer = gateway_of_three.post(action, body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)
    assert gateway_of_three.decisions() == []
    assert gateway_of_three.server.live() == 3
    assert holds.current(gateway_of_three.ledger) is None


def test_a_decision_that_cannot_be_recorded_is_answered(
    gateway_of_three: OperatedGateway, caplog: pytest.LogCaptureFixture
) -> None:
    """Any other answer than 200 would invite a second rollback."""
    with gateway_of_three.ledger.write() as connection:
        connection.execute(sa.text("DROP TABLE decisions"))
    assert gateway_of_three.post("rollback").json()["version"] == 2
    assert gateway_of_three.server.live() == 2
    assert "was carried out and not recorded" in caplog.text


def test_nothing_to_go_back_to_is_a_conflict(gateway_of_three: OperatedGateway) -> None:
    statuses = [gateway_of_three.post("rollback").status_code for _ in range(3)]
    assert statuses == [200, 200, 409]


def test_a_decision_waits_for_a_server_that_is_away(tmp_path: Path, story_ledger: Path) -> None:
    """It is recorded and carried out later, so 503 would invite a second rollback."""
    (tmp_path / "ledger.db").write_bytes(story_ledger.read_bytes())
    settings = settings_in(tmp_path, inference_port=9, api_key="the-key")
    with gateway(settings) as client:
        answer = client.post("/v1/operate/rollback", json={"reason": "odd"}, headers=KEY)
    assert answer.status_code == 202
    assert answer.json()["version"] == 2
    assert "carries it out as soon as the server answers" in answer.json()["pending"]
    with closing(wiring.open_ledger(settings.store.ledger)) as ledger:
        assert [one.version for one in decision_rows.newest(ledger, 9)] == [2]
        assert holds.current(ledger) is not None


def test_a_trial_is_ended_over_the_api(gateway_of_three: OperatedGateway) -> None:
    ledger = gateway_of_three.ledger
    assert gateway_of_three.post("trial", {"action": "stop"}).status_code == 409
    lease = lease_row.acquire(ledger, "another", 60, ledger.now() + timedelta(days=1))
    assert lease is not None
    begin_trial(ledger, lease)
    other = gateway_of_three.post("trial", {"action": "stop", "version": 3})
    assert (other.status_code, "version 4 is on trial now" in other.text) == (409, True)
    answer = gateway_of_three.post("trial", {"action": "stop", "version": 4, "reason": "odd"})
    assert answer.json() == {"version": 4, "action": "stop"}
    assert gateway_of_three.decisions() == [("stop_trial", 4, "the key 'gateway.api_key'", "odd")]
    assert trial_rows.answering(ledger) is None
    assert gateway_of_three.post("trial", {"action": "end"}).status_code == 400


def test_without_a_key_nobody_operates(running: RunningGateway) -> None:
    answer = running.client.post("/v1/operate/pause")
    assert answer.status_code == 403
    assert "keys add --name NAME --role operate" in answer.json()["error"]["reason"]
