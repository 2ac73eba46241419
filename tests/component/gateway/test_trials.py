"""The gateway while a candidate is on trial: who gets its lists, and what is counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cron import wiring
from cron.experiment import parse_draft
from cron.ledger import experiment_rows, holds, lease_row, trial_rows
from cron.ledger.ledger import Ledger
from cron.ports import START
from cron.trial import CandidateTrial, ShadowCounts
from recommender.records.slates import Slate
from tests.component import story
from tests.component.at_work import until
from tests.component.gateway_process import StandIn, gateway, settings_in

LIVE, CANDIDATE = 3, 4  # the story's live release, and the next number
SHARE = 0.25
NUM_USERS = 200
ITEMS = [{"id": str(number), "title": f"Film {number}", "score": 9 - number} for number in range(9)]


class TwoReleases(StandIn):
    """A server whose candidate has the same items as the live release, but the first two."""

    def answer(self, path: str, asked: dict[str, object]) -> tuple[int, object]:
        self.body = {"items": ITEMS, "model_version": LIVE}
        status, body = super().answer(path, asked)
        if path.endswith(f"/{CANDIDATE}") and isinstance(body, dict) and "items" in body:
            k = asked.get("k")
            assert isinstance(k, int)
            body = {**body, "items": ITEMS[2 : 2 + k]}
        return status, body


@dataclass(frozen=True, kw_only=True)
class TriedShop:
    """A running gateway, its model and its ledger."""

    client: httpx.Client
    model: TwoReleases
    ledger: Ledger
    events: str

    def ask(self) -> list[dict[str, object]]:
        """Return the lists of many users."""
        lines = "\n".join(
            json.dumps({"user_id": f"user-{number}", "k": 5}) for number in range(NUM_USERS)
        )
        headers = {"Content-Type": "application/x-ndjson"}
        answer = self.client.post("/v1/recommendations", content=lines, headers=headers)
        return [json.loads(line) for line in answer.text.splitlines()]

    def slates(self) -> list[Slate]:
        """Return the recorded lists, when all of them are in the log."""
        log = wiring.open_log(self.events)
        until(lambda: len(log.read(START, 10_000).slates) >= NUM_USERS)
        return list(log.read(START, 10_000).slates)


def trial_of(*, canary: float = SHARE, shadow: float = 0.0) -> CandidateTrial:
    return CandidateTrial(
        version=CANDIDATE,
        run_id=1,
        live=LIVE,
        canary_share=canary,
        shadow_share=shadow,
        after_seq=0,
        started_at=story.BEGAN,
    )


@pytest.fixture
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[TriedShop]:
    """Serve a shop with a trial."""
    ledger = story.tell(tmp_path / "ledger.db")
    lease = lease_row.acquire(ledger, "a worker", 3600, ledger.now())
    assert lease is not None
    trial_rows.start(ledger, request.param, lease=lease)
    model = TwoReleases()
    settings = settings_in(tmp_path, inference_port=model.port)
    with gateway(settings) as client:
        client.timeout = httpx.Timeout(60)
        yield TriedShop(client=client, model=model, ledger=ledger, events=settings.store.events)
    model.stop()
    ledger.close()


@pytest.mark.parametrize("shop", [trial_of()], indirect=True)
def test_a_share_of_users_gets_the_candidates_lists(shop: TriedShop) -> None:
    answers = shop.ask()
    by_user = {answer["user_id"]: answer["model_version"] for answer in answers}
    assert {*by_user.values()} == {LIVE, CANDIDATE}
    tried = [user for user, version in by_user.items() if version == CANDIDATE]
    assert 0.15 * NUM_USERS < len(tried) < 0.35 * NUM_USERS
    assert {answer["user_id"]: answer["model_version"] for answer in shop.ask()} == by_user
    trial = trial_of()
    for answer in answers:
        arm = trial.arm_of(str(answer["user_id"]))
        assert (answer["experiment"], answer["arm"]) == ("canary-4", arm)
        assert (answer["model_version"] == CANDIDATE) == (arm == "candidate")
    found = {(slate.arm, slate.version) for slate in shop.slates()}
    assert found == {("canary-4/control", LIVE), ("canary-4/candidate", CANDIDATE)}
    answer = shop.client.get("/v1/recommendations/" + str(tried[0])).json()
    assert answer["model_version"] == CANDIDATE
    answer = shop.client.post("/v1/recommendations", json={"history": [{"id": "1"}]}).json()
    assert (answer["model_version"], "arm" in answer) == (LIVE, False)


@pytest.mark.parametrize("shop", [trial_of()], indirect=True)
def test_a_session_stays_on_its_side_of_a_canary(shop: TriedShop) -> None:
    """Of visitors without a user id; those without a session either get the live release."""
    trial = trial_of()
    for number in range(12):
        session = f"session-{number}"
        body = {"session_id": session, "history": [{"id": "1"}]}
        answer = shop.client.post("/v1/recommendations", json=body).json()
        assert (answer["experiment"], answer["arm"]) == ("canary-4", trial.arm_of(session))
        assert (answer["model_version"] == CANDIDATE) == (answer["arm"] == "candidate")


@pytest.mark.parametrize("shop", [trial_of(shadow=1.0)], indirect=True)
def test_a_candidate_that_vanished_costs_no_list(shop: TriedShop) -> None:
    """Nor does its shadow: what waits is bounded, and the rest is left out and counted."""
    shop.model.versions = {LIVE}
    answers = shop.ask()
    assert {answer["model_version"] for answer in answers} == {LIVE}
    assert not any("fallback" in answer for answer in answers)

    def is_counted() -> bool:
        counts = experiment_rows.answers(shop.ledger, "canary-4")
        return sum(count.num_answers for count in counts.values()) == NUM_USERS

    until(is_counted)
    counts = experiment_rows.answers(shop.ledger, "canary-4")
    assert counts["candidate"].num_errors == counts["candidate"].num_answers > 0
    assert counts["control"].num_errors == 0

    def num_not_compared() -> int:
        shadow = trial_rows.shadow(shop.ledger, CANDIDATE)
        assert shadow.num_compared == 0
        return shadow.num_errors + shadow.num_dropped

    until(lambda: num_not_compared() == counts["control"].num_answers)


@pytest.mark.parametrize("shop", [trial_of()], indirect=True)
def test_a_pause_ends_the_candidates_lists_at_once(shop: TriedShop) -> None:
    holds.pause(shop.ledger, "a test")
    until(lambda: {answer["model_version"] for answer in shop.ask()} == {LIVE})


@pytest.mark.parametrize("shop", [trial_of(canary=0.0, shadow=0.5)], indirect=True)
def test_a_shadow_answers_in_the_background(shop: TriedShop) -> None:
    def shadow_counts() -> ShadowCounts:
        return trial_rows.shadow(shop.ledger, CANDIDATE)

    for _ in range(20):
        answer = shop.client.get("/v1/recommendations/ann?k=5").json()
        assert (answer["model_version"], "arm" in answer) == (LIVE, False)
    until(lambda: shadow_counts().num_compared == 10)
    assert shadow_counts().mean_overlap == pytest.approx(3 / 5)  # films 2, 3 and 4 of 0 to 4
    ratio = shadow_counts().latency_ratio
    assert ratio is not None
    assert ratio > 0
    assert (shadow_counts().num_errors, shadow_counts().num_dropped) == (0, 0)


@pytest.mark.parametrize("shop", [trial_of()], indirect=True)
def test_an_experiment_keeps_its_arms_beside_a_canary(shop: TriedShop) -> None:
    """The candidate makes the same share of the lists of both arms."""
    draft = parse_draft({"arms": [{"name": "a"}, {"name": "b", "rules": {"k": 3}}]})
    experiment_rows.start(shop.ledger, "short-lists", draft, by="ann")
    until(lambda: "arm" in shop.client.get("/v1/recommendations/ann").json())
    until(lambda: {answer["experiment"] for answer in shop.ask()} == {"short-lists"})
    expected = {(arm, version) for arm in "ab" for version in (LIVE, CANDIDATE)}
    # on a busy machine a candidate that answers late gets a break of a second
    until(lambda: expected == {(one["arm"], one["model_version"]) for one in shop.ask()})
