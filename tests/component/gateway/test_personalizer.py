"""Programs that were written for Azure's Personalizer work with the gateway."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import httpx
import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter

from cron.ledger.ledger import open_ledger, utc_now
from cron.project_root import PROJECT_ROOT
from cron.settings.tree import PersonalizerSettings, Settings
from gateway.app import create_app
from gateway.bodies.personalizer import PersonalizerStatus, RankRequest
from gateway.personalizer.loop import PersonalizerLoop
from tests.component.gateway_process import gateway, settings_in

V1 = "/personalizer/v1.0"
SLOTS = "/personalizer/v1.1-preview.1/multislot"
KEY = "a key of the old resource"
CONTEXT = [{"timeOfDay": "Morning"}]
ACTIONS = [
    {"id": f"{kind}Article", "features": [{"type": kind}]}
    for kind in ("News", "Sports", "Entertainment")
]
SLOT_REQUEST = {
    "contextFeatures": [{"user": {"profileType": "AnonymousUser", "latLong": "47.6,-122.1"}}],
    "actions": ACTIONS,
    "slots": [
        {
            "id": "Main Article",
            "features": [{"size": "Large", "position": "Top Middle"}],
            "excludedActions": ["SportsArticle"],
            "baselineAction": "EntertainmentArticle",
        },
        {"id": "Side Bar", "features": [{"size": "Small"}], "baselineAction": "NewsArticle"},
    ],
    "eventId": "75269AD0-BFEE-4598-8196-C57383D38E10",
    "deferActivation": False,
}


@dataclass(frozen=True, kw_only=True)
class RunningLoop:
    """A gateway, and its loop, which a test runs at once in place of waiting for its turn."""

    client: httpx.Client
    app: FastAPI

    def learn(self) -> PersonalizerStatus:
        """Learn what is due; return what was learned."""
        loop = self.app.state.services.personalizer
        loop.refresh()
        found: PersonalizerStatus = loop.status()
        return found

    def rank(self, event_id: str, **more: object) -> dict[str, object]:
        """Return the answer to a rank call in the form of the published example."""
        body = {"contextFeatures": CONTEXT, "actions": ACTIONS, "eventId": event_id, **more}
        answer = self.client.post(f"{V1}/rank", json=body)
        assert answer.status_code == 201, answer.text
        found: dict[str, object] = answer.json()
        assert found["eventId"] == event_id
        return found

    def reward(self, event_id: str, value: float) -> None:
        """Reward an event."""
        answer = self.client.post(f"{V1}/events/{event_id}/reward", json={"value": value})
        assert (answer.status_code, answer.content) == (204, b"")

    def teach(self, favourite: str, *, times: int) -> None:
        """Reward one action alone."""
        for number in range(times):
            event_id = f"{favourite}-{number}"
            shown = self.rank(event_id)["rewardActionId"]
            self.reward(event_id, float(shown == favourite))
            if number % 10 == 0:
                self.learn()


def settings(folder: Path, **changes: object) -> Settings:
    plain = settings_in(folder, inference_port=9, api_key=KEY)
    return replace(plain, personalizer=replace(PersonalizerSettings(), **changes))  # type: ignore[arg-type]


def run(with_settings: Settings) -> Iterator[RunningLoop]:
    app = create_app(with_settings)
    with gateway(with_settings, app=app) as client:
        client.headers["Ocp-Apim-Subscription-Key"] = KEY
        yield RunningLoop(client=client, app=app)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningLoop]:
    yield from run(settings(tmp_path))


def probabilities(answer: dict[str, object]) -> dict[str, float]:
    ranking = answer["ranking"]
    assert isinstance(ranking, list)
    return {one["id"]: one["probability"] for one in ranking}


def test_the_published_example_is_answered(running: RunningLoop) -> None:
    answer = running.rank("75269AD0", excludedActions=["SportsArticle"], deferActivation=False)
    found = probabilities(answer)
    assert found == {"NewsArticle": 0.5, "SportsArticle": 0, "EntertainmentArticle": 0.5}
    ids = list(found)
    assert ids[0] == answer["rewardActionId"]
    assert ids[1] == "SportsArticle"  # an excluded action keeps its place
    assert set(answer) == {"ranking", "eventId", "rewardActionId"}


def test_the_model_learns_what_is_rewarded(running: RunningLoop) -> None:
    running.teach("SportsArticle", times=100)
    running.learn()
    found = probabilities(running.rank("next"))
    assert found["SportsArticle"] == pytest.approx(0.8 + 0.2 / 3)
    assert sum(found.values()) == pytest.approx(1)
    status = running.client.get("/v1/personalizer", headers={"Authorization": f"Bearer {KEY}"})
    assert status.json()["learned"] == running.learn().learned == 100
    assert status.json()["model"]["mean"] > status.json()["baseline"]["mean"]


def test_what_was_learned_survives_a_restart(tmp_path: Path) -> None:
    for one in run(settings(tmp_path)):
        one.teach("SportsArticle", times=60)
        one.rank("waiting")
    for one in run(settings(tmp_path)):
        one.learn()
        assert probabilities(one.rank("next"))["SportsArticle"] > 0.8
        one.reward("waiting", 1)
        assert one.learn().learned == 61


def test_a_reward_may_come_to_another_gateway(tmp_path: Path) -> None:
    for first in run(settings(tmp_path)):
        for second in run(settings(tmp_path)):
            first.rank("here")
            second.reward("here", 1)
            assert {first.learn().learned, second.learn().learned} == {1}


def test_what_another_gateway_learns_first_is_read(tmp_path: Path) -> None:
    """It learns after this one has seen that there is something to learn."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    others: list[PersonalizerLoop] = []

    def now() -> datetime:
        if len(clock_read) == 1:
            others[0].refresh()
        clock_read.append(utc_now())
        return clock_read[-1]

    ledger, same_ledger = open_ledger(url, now=now), open_ledger(url)
    first = PersonalizerLoop(ledger, PersonalizerSettings())
    others.append(PersonalizerLoop(same_ledger, PersonalizerSettings()))
    asyncio.run(ranked_and_rewarded(others[0]))
    clock_read: list[datetime] = []
    first.refresh()
    assert first.status().learned == others[0].status().learned == 1
    for one in (ledger, same_ledger):
        one.close()


async def ranked_and_rewarded(loop: PersonalizerLoop) -> None:
    body = {"contextFeatures": CONTEXT, "actions": ACTIONS}
    asked = TypeAdapter(RankRequest).validate_python(body)
    answer = await loop.rank(asked)
    assert await loop.reward(answer.event_id, {"": 1.0})


def test_a_deferred_event_is_learned_once_it_is_activated(running: RunningLoop) -> None:
    for event_id in ("shown", "overridden"):
        running.rank(event_id, deferActivation=True)
        running.reward(event_id, 1)
    assert running.learn().learned == 0
    activated = running.client.post(f"{V1}/events/shown/activate")
    assert (activated.status_code, activated.content) == (204, b"")
    assert running.learn().learned == 1


def test_an_event_without_reward_gets_the_default_one(tmp_path: Path) -> None:
    for one in run(settings(tmp_path)):
        one.rank("nobody clicks")
    for one in run(settings(tmp_path, reward_wait_s=0.001, default_reward=0.25)):
        served = one.learn().served
        assert served is not None
        assert served.mean == 0.25


@pytest.mark.parametrize(("aggregation", "mean"), [("earliest", 0.5), ("sum", 1.5)])
def test_rewards_are_counted_as_the_settings_say(
    tmp_path: Path, aggregation: Literal["earliest", "sum"], mean: float
) -> None:
    for one in run(settings(tmp_path, reward_aggregation=aggregation)):
        one.rank("e")
        one.reward("e", 0.5)
        one.reward("e", 1.0)
        one.learn()
    for one in run(settings(tmp_path, reward_aggregation=aggregation, reward_wait_s=0.001)):
        served = one.learn().served
        assert served is not None
        assert served.mean == mean


def test_an_apprentice_shows_the_usual_action_then_takes_over(tmp_path: Path) -> None:
    for one in run(settings(tmp_path, mode="apprentice")):
        for number in range(40):
            answer = one.rank(f"e{number}")
            assert answer["rewardActionId"] == "NewsArticle"
            assert list(probabilities(answer).values()) == [1, 0, 0]
            one.reward(f"e{number}", 0.3)
        status = one.learn()
        assert status.model is None  # what it alone would have shown, nobody has seen
        assert status.baseline is not None
        one.rank("late")
        one.reward("late", 0.3)
        agreed = one.learn().agreement
        assert agreed is not None
        assert agreed > (status.agreement or 0)
    for one in run(settings(tmp_path, mode="online", epsilon=0.3)):
        one.learn()
        assert probabilities(one.rank("next"))["NewsArticle"] == pytest.approx(0.8)


def test_slots_get_different_actions_and_rewards(running: RunningLoop) -> None:
    answer = running.client.post(f"{SLOTS}/rank", json=SLOT_REQUEST)
    assert answer.status_code == 201
    found = answer.json()
    assert found["eventId"] == SLOT_REQUEST["eventId"]
    assert [slot["id"] for slot in found["slots"]] == ["Main Article", "Side Bar"]
    main, side = (slot["rewardActionId"] for slot in found["slots"])
    assert main != "SportsArticle"
    assert main != side
    path = f"{SLOTS}/events/{found['eventId']}"
    rewards = {"reward": [{"slotId": "Main Article", "value": 1}, {"slotId": "x", "value": 1}]}
    assert running.client.post(f"{path}/reward", json=rewards).status_code == 204
    assert running.client.post(f"{path}/activate").status_code == 204
    status = running.learn()
    assert (status.learned, status.waiting) == (1, 1)


def test_an_event_id_may_hold_anything(running: RunningLoop) -> None:
    """As a client quotes it in the path."""
    event_id = "a/b%20é?#\n"
    running.rank(event_id)
    answer = running.client.post(f"{V1}/events/a%2Fb%2520%C3%A9%3F%23%0A/reward", json={"value": 1})
    assert answer.status_code == 204
    assert running.learn().learned == 1


@pytest.mark.parametrize(
    ("change", "target"),
    [
        ({"actions": []}, "actions"),
        ({"actions": ACTIONS * 17}, "actions"),
        ({"actions": [*ACTIONS, ACTIONS[0]]}, "actions"),
        ({"actions": [{"features": []}]}, "actions"),
        ({"excludedActions": [one["id"] for one in ACTIONS]}, "excludedActions"),
        ({"contextFeatures": {"day": "Monday"}}, "contextFeatures"),
        ({"contextFeatures": [{str(at): "x" for at in range(300)}]}, "contextFeatures"),
        ({"eventId": "x" * 257}, "eventId"),
        ({"eventId": "\0"}, "eventId"),
        ({"deferActivation": "yes"}, "deferActivation"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_wrong_request_is_refused_in_azures_form(
    shared_loop: RunningLoop, change: dict[str, object], target: str
) -> None:
    body = {"contextFeatures": CONTEXT, "actions": ACTIONS, **change}
    answer = shared_loop.client.post(f"{V1}/rank", json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["target"]) == ("BadRequest", target)
    assert error["message"].startswith(f"{target}: ")


@pytest.mark.parametrize(
    ("slot", "target"),
    [
        ({"baselineAction": "none"}, "baselineAction"),
        ({"excludedActions": ["NewsArticle"]}, "baselineAction"),
        ({"baselineAction": "EntertainmentArticle"}, "baselineAction"),
        ({"id": "Main Article"}, "slots"),
    ],
    ids=str,
)
def test_wrong_slots_are_refused(
    shared_loop: RunningLoop, slot: dict[str, object], target: str
) -> None:
    slots = SLOT_REQUEST["slots"]
    assert isinstance(slots, list)
    body = {**SLOT_REQUEST, "slots": [slots[0], {**slots[1], **slot}]}
    answer = shared_loop.client.post(f"{SLOTS}/rank", json=body)
    assert (answer.status_code, answer.json()["error"]["target"]) == (400, target)


def test_callers_need_a_key_for_writing(shared_loop: RunningLoop) -> None:
    body = {"actions": ACTIONS}
    for key in ("", "wrong"):
        headers = {"Ocp-Apim-Subscription-Key": key}
        answer = shared_loop.client.post(f"{V1}/rank", json=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "401")
    bearer = {"Authorization": f"Bearer {KEY}"}
    assert shared_loop.client.post(f"{V1}/rank", json=body, headers=bearer).status_code == 201
    other = shared_loop.client.post("/personalizer/v9/rank", json=body)
    assert (other.status_code, other.json()["error"]["code"]) == (404, "ResourceNotFound")
    large = shared_loop.client.post(f"{V1}/rank", content=b" " * (256 * 1024 + 1))
    assert (large.status_code, large.json()["error"]["code"]) == (413, "BadRequest")


def test_the_documents_transcript_is_real(tmp_path: Path) -> None:
    """Run the commands of docs/personalizer.md, in order, against a new gateway."""
    document = (PROJECT_ROOT / "docs" / "personalizer.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", document, re.DOTALL)
    steps = [step.split("\n", 1) for block in blocks for step in block.split("$ curl ")[1:] if step]
    assert len(steps) >= 5
    for one in run(settings(tmp_path)):
        for command, expected in steps:
            assert answer_to(one, command) == expected.strip(), command
            if "/reward" in command:
                one.learn()


def answer_to(running: RunningLoop, command: str) -> str:
    """Carry out a curl command; return its status without a body, else its body."""
    parts = shlex.split(command)
    url = next(part for part in parts if part.startswith("http://"))
    path = url.removeprefix("http://127.0.0.1:8000")
    data = next((json.loads(part) for part in parts if part.startswith("{")), None)
    answer = running.client.request("POST" if data or "POST" in parts else "GET", path, json=data)
    return answer.text.strip() or str(answer.status_code)


@pytest.fixture(scope="module")
def shared_loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLoop]:
    """Serve one gateway for the calls that are refused."""
    yield from run(settings(tmp_path_factory.mktemp("shared-loop")))
