"""Placements that learn: from visitors' clicks to the lists, with no release in between."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cron import wiring
from cron.journal.journal import Journal
from cron.ledger import lease_row, posterior_rows
from cron.lineage import Lease
from cron.ports import START
from cron.posterior.learner import PosteriorLearner
from recommender.ranking.ranker import Ranker
from tests.component.at_work import until
from tests.component.gateway.policy_model import PolicyModel, serve_placements
from tests.component.gateway_process import RunningGateway
from tests.planted import planted_bundle

PATH = "/v1/recommendations"
PLACEMENTS: dict[str, object] = {
    "learning": {
        "k": 6,
        "policy": {"name": "thompson", "new_items": {"share": 0.07}},
        "at_most": {"year": 4},
        "diversity": 0.1,
    },
    "hopeful": {"k": 5, "policy": {"name": "ucb", "width": 2.0}},
}
GOOD = "i31"


@pytest.fixture
def ranker(tmp_path: Path) -> Ranker:
    """Return a model whose workers have no posterior yet."""
    return Ranker(planted_bundle(tmp_path / "bundle", tower="transformer", encoder="tiny"))


@pytest.fixture
def shop(tmp_path: Path, ranker: Ranker) -> Iterator[RunningGateway]:
    """Serve a gateway with placements that learn."""
    (tmp_path / "shop").mkdir()
    with serve_placements(tmp_path / "shop", ranker, PLACEMENTS) as running:
        yield running


class Worker:
    """The part of the worker that learns."""

    def __init__(self, shop: RunningGateway, folder: Path) -> None:
        store = shop.settings.store
        self.ledger = wiring.open_ledger(store.ledger)
        self.log = wiring.open_log(store.events)
        journal = Journal(self.ledger, wiring.open_artifacts(store.artifacts), folder / "journal")
        self._learner = PosteriorLearner(shop.settings, self.ledger, self.log, journal.slates)
        lease = lease_row.acquire(self.ledger, "worker", 3_600, datetime.now(UTC))
        assert lease is not None
        self._lease: Lease = lease

    def newest(self) -> str:
        """Return the id of the newest posterior."""
        stored = posterior_rows.newest(self.ledger)
        assert stored is not None
        return stored.evidence.digest

    def learn(self, num_lists: int, *, num_rewards: int = 0) -> None:
        """Update until so much was read in all; the gateway queues lists for a moment."""

        def has_learned() -> bool:
            self._learner.update(self._lease)
            state = posterior_rows.state(self.ledger)
            return (
                state is not None
                and state.num_lists >= num_lists
                and state.num_rewards >= num_rewards
            )

        until(has_learned)


def ask(shop: RunningGateway, placement: str, **body: object) -> dict[str, object]:
    answer = shop.client.post(PATH, json={"user_id": "ann", "placement": placement, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def ids(found: dict[str, object]) -> list[str]:
    listed = found["items"]
    assert isinstance(listed, list)
    return [str(one["id"]) for one in listed]


def posterior_asked(shop: RunningGateway, place: int = -1) -> dict[str, object]:
    policy = shop.model.asked[place]["policy"]
    assert isinstance(policy, dict)
    posterior = policy["posterior"]
    assert isinstance(posterior, dict)
    return posterior


def visit(
    shop: RunningGateway, num: int, chance: random.Random
) -> tuple[int, list[dict[str, object]]]:
    """Let visitors come; return how many saw the good item, which they like, and their clicks."""
    num_shown, events = 0, list[dict[str, object]]()
    for number in range(num):
        user = f"visitor-{chance.randrange(10**9)}-{number}"
        found = ask(shop, "learning", user_id=user)
        for item_id in ids(found):
            num_shown += item_id == GOOD
            if chance.random() < (0.5 if item_id == GOOD else 0.05):
                of = found["recommendation_id"]
                event: dict[str, object] = {"user_id": user, "item_id": item_id, "type": "click"}
                events.append({**event, "recommendation_id": of})
    return num_shown, events


def test_a_new_item_that_visitors_like_rises_in_seconds(
    shop: RunningGateway, tmp_path: Path
) -> None:
    """No model was trained meanwhile: the clicks on the first lists lead the next ones."""
    greedy = ids(shop.client.post(PATH, json={"user_id": "ann", "k": 38}).json())
    assert GOOD not in greedy[:6], "the model does not know that it is good"
    shop.client.post("/v1/items", json=[{"item_id": GOOD, "title": "The new one"}])
    worker, chance = Worker(shop, tmp_path), random.Random(5)
    first, clicks = visit(shop, 80, chance)
    worker.learn(80)  # a list is stored half a second after it was shown, and clicked later
    assert shop.client.post("/v1/events", json=clicks).status_code == 202
    worker.learn(80, num_rewards=len(clicks))
    until(lambda: ask(shop, "hopeful") and posterior_asked(shop)["id"] == worker.newest())
    later, _ = visit(shop, 40, chance)
    assert later / 40 > first / 80 + 0.1, "about four of five lists, after two of five"
    assert GOOD in ids(ask(shop, "hopeful"))


def test_only_a_worker_that_lacks_the_posterior_gets_the_whole(
    shop: RunningGateway, tmp_path: Path
) -> None:
    ask(shop, "learning")
    assert [len(posterior_asked(shop, place)) for place in (0, 1)] == [1, 3]
    shop.model.asked.clear()
    found = ask(shop, "learning")
    assert [posterior_asked(shop).keys()] == [{"id"}]
    assert found["policy"] == "thompson"
    worker = Worker(shop, tmp_path)
    worker.learn(2)
    before = posterior_asked(shop)["id"]
    until(lambda: ask(shop, "hopeful") and posterior_asked(shop)["id"] != before)
    kinds = [len(posterior_asked(shop, place)) for place in range(len(shop.model.asked))]
    assert kinds.count(3) == 1


def test_propensities_are_those_of_the_lists(shop: RunningGateway) -> None:
    for placement in ("learning", "hopeful"):
        found = ask(shop, placement)
        items = found["items"]
        assert isinstance(items, list)
        asked = {"user_id": "ann", "placement": placement, "items": ids(found), "k": len(items)}
        answer = shop.client.post("/v1/propensities", json=asked).json()
        assert answer["policy"] == found["policy"]
        reported = [one["propensity"] for one in items]
        assert answer["propensities"] == pytest.approx(reported)
        hundredths = [round(100 * one) for one in reported]
        if placement == "hopeful":
            assert hundredths == [100] * len(items)


def test_what_it_knew_earlier_is_not_kept(shop: RunningGateway, tmp_path: Path) -> None:
    """A list of last week is not judged by what its own clicks have taught since."""
    asked = {"items": ["i1"], "policy": {"name": "thompson"}, "user_id": "ann"}
    earlier = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    assert shop.client.post("/v1/propensities", json={**asked, "at": earlier}).status_code == 200
    ask(shop, "learning")
    Worker(shop, tmp_path).learn(1)

    def is_refused() -> bool:
        answer = shop.client.post("/v1/propensities", json={**asked, "at": earlier})
        return answer.status_code == 400 and "not kept" in answer.json()["error"]["reason"]

    until(is_refused)
    assert shop.client.post("/v1/propensities", json=asked).status_code == 200


def test_an_older_release_answers_greedily(shop: RunningGateway) -> None:
    assert isinstance(shop.model, PolicyModel)
    shop.model.unknown = ("policy.name",)
    found = ask(shop, "learning")
    assert found["policy"] == "greedy"
    assert found["not_applied"] == ["policy"]


def test_slates_have_the_scores_of_their_items(shop: RunningGateway, tmp_path: Path) -> None:
    items = ask(shop, "learning")["items"]
    log = Worker(shop, tmp_path).log
    until(lambda: log.read(START, 10).slates)
    (slate,) = log.read(START, 10).slates
    assert isinstance(items, list)
    assert slate.scores == tuple(one["score"] for one in items)
