"""What the Personalizer calls learn on a simulated shop, and how long they take.

The learner stands beside what it has to beat, the existing logic and random choices, and beside an
oracle that knows each user's favourite, with and without the exploration that learning needs.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from statistics import fmean, stdev

import httpx
import numpy as np

from bench.decisions.action_shop import BASELINE, ORACLE, RANDOM, ActionShop
from bench.report.rows import BenchMetric, is_quick, save
from cron.contextual.choice import ActionQuestion, choose
from cron.contextual.features import hash_features
from cron.contextual.linear_model import LinearModel
from cron.contextual.policy_values import MeanReward, value_of
from tests.component.gateway_process import gateway, settings_in

BENCH = "decisions-personalizer"
NUM_VISITS = 4_000
EPSILON = 0.2
_AGREED_EVERY = 50  # visits between two looks at the agreement
_FEATURES = 5  # of the context, and of each action


def measure_personalizer(command: str) -> None:
    """Measure what is learned and how long it takes; write the page of results."""
    num_seeds = 3 if is_quick() else 20
    shops = [ActionShop(seed=seed, epsilon=EPSILON) for seed in range(num_seeds)]
    earned = [shop.visits(NUM_VISITS) for shop in shops]
    rows = [*_reward_rows(earned), *_value_rows(shops, earned), _apprentice_row(num_seeds)]
    rows += _choice_rows()
    rows += _gateway_rows()
    print(*(f"{row.metric}: {row.value:.4g}" for row in rows), sep="\n", flush=True)
    save(BENCH, "a simulated shop of actions", rows, command=command)


def _reward_rows(earned: Sequence[Sequence[float]]) -> list[BenchMetric]:
    explored = (1 - EPSILON) * ORACLE + EPSILON * RANDOM
    last = NUM_VISITS // 4
    known = (
        ("random", RANDOM),
        ("the existing logic (one action for all)", BASELINE),
        ("oracle", ORACLE),
        (f"oracle that explores {EPSILON:.0%}", explored),
    )
    rows = [
        BenchMetric(metric=f"expected reward of a visit, {name}", value=value, unit="1")
        for name, value in known
    ]
    for part, title in ((slice(None), f"all {NUM_VISITS:,} visits"), (slice(-last, None), "last")):
        means = [fmean(one[part]) for one in earned]
        which = title if part.start is None else f"the last {last:,} visits"
        rows.append(
            BenchMetric(
                metric=f"expected reward of a visit, learned, {which}",
                value=fmean(means),
                unit="1",
                note=f"± {_half_width(means):.3f}; worst of {len(means)} seeds {min(means):.3f}",
            )
        )
    return rows


def _value_rows(
    shops: Sequence[ActionShop], earned: Sequence[Sequence[float]]
) -> list[BenchMetric]:
    """Say how often the intervals hold the truth."""
    held = [_holds(value_of(shop.totals, shop.totals.baseline), BASELINE) for shop in shops]
    served = [
        _holds(value_of(shop.totals, shop.totals.served), fmean(one))
        for shop, one in zip(shops, earned, strict=True)
    ]
    note = f"of {len(shops)} seeds"
    return [
        BenchMetric(
            metric="95 % interval of the existing logic's value holds it",
            value=fmean(held),
            unit="1",
            note=f"{note}; it was shown in a few visits of a hundred",
        ),
        BenchMetric(
            metric="95 % interval of the served value holds the expected one",
            value=fmean(served),
            unit="1",
            note=f"{note}; newer visits count more, and were better",
        ),
    ]


def _holds(found: MeanReward | None, truth: float) -> bool:
    return found is not None and found.low <= truth <= found.high


def _apprentice_row(num_seeds: int) -> BenchMetric:
    needed = []
    for seed in range(num_seeds):
        shop, num_visits = ActionShop(seed=seed), 0
        while shop.agreement() < 1 and num_visits < NUM_VISITS:
            shop.visits(_AGREED_EVERY, "apprentice")
            num_visits += _AGREED_EVERY
        needed.append(num_visits)
    return BenchMetric(
        metric="visits until an apprentice agrees for all users, median",
        value=float(np.median(needed)),
        unit="1",
        note=f"at most {max(needed)}, of {num_seeds} seeds; looked at every {_AGREED_EVERY}",
    )


def _choice_rows() -> list[BenchMetric]:
    rows = []
    for num_actions in (5, 20, 50):
        question = _question(num_actions)
        model = LinearModel()

        rows += _time_rows(
            f"choosing among {num_actions} actions, without the gateway",
            _seconds(
                partial(choose, model, question, mode="online", epsilon=EPSILON, seed="s"),
                50 if is_quick() else 500,
            ),
        )
    return rows


def _gateway_rows() -> list[BenchMetric]:
    num_calls = 50 if is_quick() else 1_000
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_in(Path(folder), inference_port=9)
        settings = replace(settings, gateway=replace(settings.gateway, address_calls_s=None))
        with gateway(settings) as client:
            rows += _time_rows(
                "GET /healthz",
                _seconds(lambda: client.get("/healthz").raise_for_status(), num_calls),
            )
            for num_actions in (5, 50):
                rows += _time_rows(
                    f"rank of {num_actions} actions, durable, through HTTP",
                    _seconds(partial(_rank, client, num_actions), num_calls),
                )
            rows += _time_rows(
                "reward, durable, through HTTP", _seconds(lambda: _reward(client), num_calls)
            )
    return rows


def _rank(client: httpx.Client, num_actions: int) -> None:
    body = {
        "contextFeatures": [_features(0)],
        "actions": [
            {"id": f"a{number}", "features": [_features(number)]} for number in range(num_actions)
        ],
    }
    assert client.post("/personalizer/v1.0/rank", json=body).status_code == 201


def _reward(client: httpx.Client) -> None:
    answer = client.post("/personalizer/v1.0/events/unknown/reward", json={"value": 1})
    assert answer.status_code == 204


def _question(num_actions: int) -> ActionQuestion:
    actions = [
        hash_features("action", [{"id": f"a{number}"}, _features(number)])
        for number in range(num_actions)
    ]
    return ActionQuestion(
        context=hash_features("context", [_features(0)]),
        actions=actions,
        allowed=[True] * num_actions,
        baseline=0,
    )


def _features(number: int) -> dict[str, object]:
    values = Random(number)
    return {f"feature {at}": f"value {values.randrange(100)}" for at in range(_FEATURES)}


def _seconds(call: Callable[[], object], num_calls: int) -> list[float]:
    for _ in range(10):  # the first calls load what the others find loaded
        call()
    seconds = []
    for _ in range(num_calls):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return seconds


def _time_rows(what: str, seconds: Sequence[float]) -> list[BenchMetric]:
    note = f"{len(seconds)} calls, one after the other; {_FEATURES} features each"
    return [
        BenchMetric(
            metric=f"{what}, p{share:g}",
            value=1_000 * float(np.percentile(seconds, share)),
            unit="ms",
            note=note,
        )
        for share in (50, 99)
    ]


def _half_width(means: Sequence[float]) -> float:
    return 1.96 * stdev(means) / math.sqrt(len(means))
