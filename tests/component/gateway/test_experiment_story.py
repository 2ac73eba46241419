"""An experiment from the gateway's lists to its report: arms, slates, events, sums."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from shutil import copy

import httpx
import pytest

from cron import wiring
from cron.cycle.experiments import measure_experiments
from cron.experiment import parse_draft
from cron.ledger import experiment_rows
from cron.serving.experiment_reports import report_on
from cron.settings.tree import RewardSettings, Settings
from tests.component.gateway_process import StandIn, gateway, settings_in
from tests.component.house import open_house

ITEMS = [{"id": str(number), "title": f"Film {number}", "score": 9 - number} for number in range(9)]
ARMS = [{"name": "a"}, {"name": "b", "rules": {"k": 3}}]
BUYERS = {"a": 2, "b": 7}  # of ten users
NUM_USERS = 60


@pytest.fixture
def shop(tmp_path: Path, story_ledger: Path) -> Iterator[Settings]:
    """Return the settings of a gateway whose model has nine items."""
    model = StandIn()
    model.body = {"items": ITEMS, "model_version": 3}
    copy(story_ledger, tmp_path / "ledger.db")
    yield settings_in(tmp_path, inference_port=model.port)
    model.stop()


def ask(client: httpx.Client, num_users: int) -> list[dict[str, object]]:
    """Return the lists of many users."""
    lines = "\n".join(
        json.dumps({"user_id": f"user-{number}", "k": 5}) for number in range(num_users)
    )
    headers = {"Content-Type": "application/x-ndjson"}
    answer = client.post("/v1/recommendations", content=lines, headers=headers, timeout=60)
    return [json.loads(line) for line in answer.text.splitlines()]


def test_lists_and_purchases_are_measured_by_arm(shop: Settings, tmp_path: Path) -> None:
    ledger = wiring.open_ledger(shop.store.ledger)
    draft = parse_draft({"arms": ARMS, "effect": 0.5})
    experiment_rows.start(ledger, "short-lists", draft, by="ann")
    with gateway(shop) as client:
        found = ask(client, NUM_USERS)
        seen, bought = Counter[str](), Counter[str]()
        purchases = []
        for answer in found:
            arm = str(answer["arm"])
            if seen[arm] % 10 < BUYERS[arm]:
                bought[arm] += 1
                purchases.append({"user_id": answer["user_id"], "item_id": "1", "type": "purchase"})
            seen[arm] += 1
        client.post("/v1/events", json=purchases).raise_for_status()
    house = open_house(tmp_path)
    house.collect()
    measure_experiments(
        ledger, house.journal, RewardSettings(), house.lease, keep=timedelta(days=35)
    )
    report = report_on(ledger, experiment_rows.one(ledger, "short-lists"))
    assert [arm.num_users for arm in report.arms] == [seen["a"], seen["b"]]
    assert [arm.num_answers for arm in report.arms] == [seen["a"], seen["b"]]
    assert [arm.reward for arm in report.arms] == [bought[arm] / seen[arm] for arm in "ab"]
    assert report.experiment.is_running
    assert report.outcome is not None
    assert "too few users" in report.outcome.reason
    house.journal.close()
    ledger.close()
