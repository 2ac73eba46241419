"""`evaluate` with a real gateway, journal and model: estimates against the exact value."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count

import pytest

from cron import wiring
from cron.__main__ import main
from cron.ledger import lease_row, posterior_rows
from cron.ledger.posterior_rows import PosteriorState, StoredPosterior
from cron.placement import parse_placement
from cron.ports import START
from cron.verbs.evaluations.findings import ANSWERABLE
from recommender.lists.answer import answer_batch
from recommender.ranking.ranker import Ranker
from recommender.requests.reward_evidence import RewardEvidence
from tests.component import story
from tests.component.at_work import until
from tests.component.gateway.test_little_to_show import ModelStandIn
from tests.component.gateway_process import RunningGateway, gateway, settings_in
from tests.component.house import open_house
from tests.planted import planted_bundle, planted_items

NUM_LISTS = 360
NUM_USERS = 200
LUCE: dict[str, object] = {"name": "plackett_luce", "temperature": 2}
SHARPER = {"name": "plackett_luce", "temperature": 1.5}
PLACEMENTS: dict[str, object] = {
    "shelf": {"k": 2, "policy": LUCE},
    "pinned": {"k": 3, "policy": LUCE, "pins": [{"item_id": "i7", "position": 1}]},
    "greedy": {"k": 2},
}
NDJSON = {"Content-Type": "application/x-ndjson"}


@dataclass(frozen=True, kw_only=True)
class EvaluatedShop:
    """A gateway with lists and purchases in its journal, and the model behind it."""

    running: RunningGateway
    ranker: Ranker


class SeededModel(ModelStandIn):
    """A model that draws its lists by 0, 1, 2, …, so that the same lists are served each time."""

    def __init__(self, ranker: Ranker) -> None:
        super().__init__(ranker)
        self._seeds = count()

    def answer(self, path: str, asked: dict[str, object]) -> tuple[int, object]:
        """Answer with the next seed in place of the gateway's."""
        policy = asked.get("policy")
        if isinstance(policy, dict) and "seed" in policy:
            asked = {**asked, "policy": {**policy, "seed": next(self._seeds)}}
        return super().answer(path, asked)


def is_liked(item_id: object) -> bool:
    """Every visitor buys these items when they see them, and no others."""
    return int(str(item_id)[1:]) % 3 == 0


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EvaluatedShop]:
    """Serve lists of cold users, let them buy, and collect everything."""
    folder = tmp_path_factory.mktemp("evaluated")
    bundle = planted_bundle(folder / "bundle", tower="transformer", encoder="tiny")
    story.tell(folder / "ledger.db").close()
    model = SeededModel(Ranker(bundle))
    settings = replace(
        settings_in(folder, inference_port=model.port),
        placements={name: parse_placement(one) for name, one in PLACEMENTS.items()},
    )
    with gateway(settings) as client:
        running = RunningGateway(client=client, settings=settings, model=model)
        client.post("/v1/items", json=[{"item_id": "i7", "title": "Seven"}])
        lists = [
            *serve(running, "shelf", NUM_LISTS),
            *serve(running, "pinned", 220),
            *serve(running, "greedy", 60),
        ]
        client.post("/v1/recommendations", json={"history": [], "placement": "shelf"})
        events = [one for found in lists for one in purchases(found)]
        assert client.post("/v1/events", json=events).status_code == 202
        await_recorded(running, len(lists) + 1)
        house = open_house(folder)
        house.collect()
        house.journal.close()
        house.ledger.close()
        yield EvaluatedShop(running=running, ranker=Ranker(bundle))
    model.stop()


def serve(running: RunningGateway, placement: str, number: int) -> list[dict[str, object]]:
    lines = [
        json.dumps({"user_id": f"u{place % NUM_USERS}", "placement": placement})
        for place in range(number)
    ]
    answer = running.client.post(
        "/v1/recommendations", content="\n".join(lines), headers=NDJSON, timeout=120
    )
    return [json.loads(line) for line in answer.text.splitlines()]


def purchases(found: Mapping[str, object]) -> Iterator[dict[str, object]]:
    items = found["items"]
    assert isinstance(items, list)
    for item in items:
        if is_liked(item["id"]):
            yield {
                "user_id": found["user_id"],
                "item_id": item["id"],
                "type": "purchase",
                "recommendation_id": found["recommendation_id"],
            }


def await_recorded(running: RunningGateway, number: int) -> None:
    deadline = time.monotonic() + 120
    while running.client.get("/v1/status").json()["recorder"]["stored"] < number:
        assert time.monotonic() < deadline, "the lists were not recorded in time"
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def stores(shop: EvaluatedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the shop's stores in force for the command line."""
    store = shop.running.settings.store
    for name in ("events", "histories", "artifacts", "ledger", "server", "var"):
        monkeypatch.setenv(f"FRESHET__STORE__{name.upper()}", getattr(store, name))


def evaluate(shop: EvaluatedShop, *arguments: str) -> int:
    return main(["evaluate", "--url", str(shop.running.client.base_url), *arguments])


def report(
    shop: EvaluatedShop, capsys: pytest.CaptureFixture[str], *arguments: str
) -> dict[str, object]:
    assert evaluate(shop, "--json", *arguments) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def estimates(found: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    listed = found["estimates"]
    assert isinstance(listed, list)
    return listed


def exact_value(ranker: Ranker, policy: Mapping[str, object]) -> float:
    """Return what a list of two items earns: P(i) for i, and P(i) P(j) / (1 - P(i)) for j next."""
    ids = [one.item_id for one in planted_items()]
    asked = {"user_seq": [], "k": 2, "exclude_seen": True, "exclude": [], "policy": policy}
    answers = answer_batch(ranker, [{**asked, "propensities_of": [one]} for one in ids])
    share: dict[str, float] = {}
    for item_id, answer in zip(ids, answers, strict=True):
        assert isinstance(answer, dict), answer
        propensities = answer["propensities"]
        assert isinstance(propensities, list)
        share[item_id] = float(propensities[0])
    assert sum(share.values()) == pytest.approx(1, abs=1e-4)
    liked = sum(share[one] for one in ids if is_liked(one))
    second = sum(p * (liked - p * is_liked(one)) / (1 - p) for one, p in share.items() if p < 1)
    return liked + second


def test_estimates_are_near_the_exact_value(
    shop: EvaluatedShop, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(shop, capsys, "--placement", "shelf", "--policy", json.dumps(SHARPER))
    truth = exact_value(shop.ranker, SHARPER)
    assert found["evaluated"] == NUM_LISTS
    assert found["left_out"] == {
        "fallbacks": 0,
        "interleaved": 0,
        "without_user": 1,
        "pins_alone": 0,
        "unanswered": 0,
    }
    assert [one["estimator"] for one in estimates(found)] == [
        "interaction_snips",
        "interaction_ips",
        "snips",
        "ips",
    ]
    for one in estimates(found):
        interval = one["interval"]
        assert isinstance(interval, dict), one
        assert interval["low"] < truth < interval["high"]
        assert 100 < float(str(one["effective_size"])) < NUM_LISTS


def test_every_estimator_of_the_verb_has_an_answer(
    shop: EvaluatedShop, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = [part for name in ANSWERABLE for part in ("--estimator", name)]
    arguments = ["--placement", "shelf", "--policy", json.dumps(SHARPER), *chosen]
    found = {str(one["estimator"]): one for one in estimates(report(shop, capsys, *arguments))}
    assert [*found] == [*ANSWERABLE]
    assert all(one["is_known"] for one in found.values())
    truth = exact_value(shop.ranker, SHARPER)
    interval = found["doubly_robust"]["interval"]
    assert isinstance(interval, dict)
    assert interval["low"] < truth < interval["high"]
    assert found["direct"]["value"] == pytest.approx(truth, rel=0.2)
    assert found["direct"]["interval"] is None


def test_lists_of_unknown_chances_are_bounded(
    shop: EvaluatedShop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each visitor here is cold, so frequencies are right; a wider factor has wider bounds."""
    asked = ["--placement", "shelf", "--policy", json.dumps(SHARPER), "--gamma", "1"]
    found = report(shop, capsys, *asked, "--gamma", "2")
    bounds = found["bounds"]
    assert isinstance(bounds, list)
    right, wide = bounds
    of_a_place = exact_value(shop.ranker, SHARPER) / 2
    assert right["widest_low"] < of_a_place < right["widest_high"]
    assert right["low"] == pytest.approx(right["value"]) == pytest.approx(right["high"])
    assert wide["low"] < right["value"] < wide["high"]
    assert evaluate(shop, *asked) == 0
    printed = capsys.readouterr().out
    assert "As served, an item in its place earned" in printed
    assert "The log has no propensities. If the estimated ones were right" in printed


def test_a_policy_on_its_own_lists_earns_what_they_did(
    shop: EvaluatedShop, capsys: pytest.CaptureFixture[str]
) -> None:
    """All weights are 1: the question asked again is the question of each list, with its pin."""
    found = report(shop, capsys, "--placement", "pinned")
    served, num = found["served"], found["evaluated"]
    assert isinstance(served, dict)
    for one in estimates(found):
        assert one["is_known"], one
        assert one["value"] == pytest.approx(served["mean"], rel=1e-3)
        assert one["effective_size"] == pytest.approx(num, rel=1e-3)
        assert one["greatest_weight"] == pytest.approx(1, rel=1e-3)


def test_lists_without_chance_say_how_to_begin(
    shop: EvaluatedShop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(shop, "--placement", "greedy", "--policy", "plackett_luce:temperature=2") == 0
    printed = capsys.readouterr().out
    assert "lists of 'greedy' of the last 7d: 60 lists; served by greedy (60)" in printed
    assert "is unknown by interaction_snips" in printed
    assert "switch exploration on" in printed
    assert evaluate(shop, "--placement", "greedy", "--policy", "greedy") == 0
    assert "The policy is the one that served" in capsys.readouterr().out


def test_a_sample_is_drawn_by_its_seed(
    shop: EvaluatedShop, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = [
        report(shop, capsys, "--placement", "shelf", "--sample", "120", "--seed", seed)["served"]
        for seed in ("1", "1")
    ]
    assert drawn[0] == drawn[1]
    assert isinstance(drawn[0], dict)
    assert drawn[0]["num_slates"] == 120


def test_nothing_to_evaluate_is_said(
    shop: EvaluatedShop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(shop, "--placement", "elsewhere") == 0
    said = capsys.readouterr().out
    assert "There is nothing to evaluate. The lists of this time are of" in said
    assert "'shelf' (" in said
    assert report(shop, capsys, "--logged-policy", "epsilon")["evaluated"] == 0


def test_a_policy_is_shown_in_plain_words(
    shop: EvaluatedShop, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = json.dumps({"name": "greedy", "new_items": {"share": 0.05}})
    shown = report(shop, capsys, "--placement", "elsewhere", "--policy", policy)["policy"]
    assert shown == ("greedy (new_items.share 0.05, new_items.impressions 100, new_items.days 14)")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--policy", "best"], "--policy.name"),
        (["--policy", "epsilon:epsilon=much"], "FIELD=NUMBER"),
        (["--policy", "{"], "--policy"),
        (["--since", "yesterday"], "--since"),
        (["--estimator", "guess"], "--estimator"),
        (["--estimator", "independent_ips"], "--estimator"),
        (["--gamma", "0.5"], "--gamma"),
        (["--gamma", "2", "--estimator", "ips"], "--gamma"),
        (["--sample", "0"], "--sample"),
    ],
)
def test_wrong_arguments_are_refused(
    shop: EvaluatedShop,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    reason: str,
) -> None:
    with pytest.raises(SystemExit) as exit_:
        evaluate(shop, *arguments)
    assert exit_.value.code == 2
    assert reason in capsys.readouterr().err


def test_what_a_policy_knew_before_is_unknown(
    shop: EvaluatedShop, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lists are older than the posterior; the message says what can be asked instead."""
    ledger = wiring.open_ledger(shop.running.settings.store.ledger)
    later = ledger.now() + timedelta(days=1)  # the shop's own worker has the lease till then
    lease = lease_row.acquire(ledger, "a worker", 3_600, later)
    assert lease is not None
    state = PosteriorState(version=1, at=ledger.now(), num_lists=1, num_rewards=0, num_items=0)
    stored = StoredPosterior(state=state, cursor=START, evidence=RewardEvidence())
    posterior_rows.store(ledger, stored, lease=lease)

    def is_refused() -> bool:
        return evaluate(shop, "--placement", "shelf", "--policy", "thompson") == 1

    until(is_refused)
    error = capsys.readouterr().err
    assert f"what thompson would have earned with these {NUM_LISTS} lists is unknown" in error
    assert "Ask about greedy" in error
