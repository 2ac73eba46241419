"""The gateway beside TorchServe: lists for the same users, and events, in the same run.

TorchServe is asked the questions that the gateway asks it for these users, so the ratio is what the
gateway costs: for plain lists, and for lists of a placement with rules and reasons. They take
turns, since other work on a machine changes from minute to minute.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import httpx

from bench.report.rows import BenchMetric
from bench.speed.generator import HttpRequest, Measured, generator_name, measure
from cron.settings.tree import Settings
from cron.user_keys import hash_without_key
from cron.wiring import open_histories
from gateway.model.questions import (
    BoostQuestion,
    QuestionElement,
    RulesQuestion,
    TopItemsQuestion,
    stored_elements,
)

CONNECTIONS = (8, 64)
ROUNDS = 3
NUM_USERS, K = 200, 10
NUM_SENDERS, NUM_ITEMS, EVENTS_A_BATCH = 5_000, 1_682, 100
PLACEMENT = "bench"
MODEL = "TorchServe"  # in the rows
BOOSTS = (
    BoostQuestion(attribute="genre", value="Comedy", add=0.5),
    BoostQuestion(attribute="genre", value="War", add=-1.0),
)
RULES = RulesQuestion(boosts=BOOSTS, min_rating=2.5, diversity=0.3, at_most={"genre": 5})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """The same lists, asked of the model and of the gateway."""

    name: str
    questions: Sequence[HttpRequest]
    calls: Sequence[HttpRequest]


def gateway_serving(
    histories: str, *, gateway_ports: Mapping[str, int], inference_port: int, seconds: float
) -> list[BenchMetric]:
    """Measure lists of the model and of each gateway, which has a name in the rows, then events.

    Each load lasts `seconds` in all. The gateways have the same stores, with the placement.
    """
    histories_of_users = _histories(histories)
    metrics: list[BenchMetric] = []
    for load, connections in itertools.product(_loads(histories_of_users), CONNECTIONS):
        found: dict[str, list[Measured]] = {MODEL: [], **{name: [] for name in gateway_ports}}
        for _, name in itertools.product(range(ROUNDS), found):
            port = gateway_ports.get(name, inference_port)
            requests = load.calls if name in gateway_ports else load.questions
            length_s = seconds / ROUNDS
            found[name].append(measure(port, requests, connections=connections, seconds=length_s))
        metrics += _compare(load.name, found, connections)
    for name, port in gateway_ports.items():
        for connections, num in itertools.product(CONNECTIONS, (1, EVENTS_A_BATCH)):
            one = measure(port, _events(num), connections=connections, seconds=seconds)
            metrics += _rows_of_events(one, name, num, connections)
    return metrics


def _histories(url: str) -> Mapping[str, Sequence[QuestionElement]]:
    """Return the histories of some users of MovieLens, as questions have them."""
    max_history = Settings().train.model.max_history
    store = open_histories(url, hash_without_key)
    found: dict[str, Sequence[QuestionElement]] = {}
    for number in range(1, 10 * NUM_USERS + 1):
        past = store.past(str(number), max_history)
        if past:
            found[str(number)] = stored_elements(past)
        if len(found) == NUM_USERS:
            break
    return found


def put_placement(port: int) -> None:
    """Write the placement of the lists with rules; the question of the model has the same rules."""
    placement = {
        "boosts": [
            {"attribute": one.attribute, "value": one.value, "add": one.add} for one in BOOSTS
        ],
        "min_rating": RULES.min_rating,
        "diversity": RULES.diversity,
        "at_most": RULES.at_most,
    }
    url = f"http://127.0.0.1:{port}/v1/placements/{PLACEMENT}"
    httpx.put(url, json=placement, timeout=10).raise_for_status()


def _loads(histories: Mapping[str, Sequence[QuestionElement]]) -> list[_Load]:
    """Return the questions and the calls for plain lists, and for lists with rules and reasons."""
    return [
        _Load(
            name=f"top-{K} of {NUM_USERS} users",
            questions=[
                _question(TopItemsQuestion(user_seq=past, k=K, exclude_seen=True, exclude=()))
                for past in histories.values()
            ],
            calls=[HttpRequest(path=f"/v1/recommendations/{user_id}") for user_id in histories],
        ),
        _Load(
            name=f"top-{K} with rules and reasons",
            questions=[
                _question(
                    TopItemsQuestion(
                        user_seq=past,
                        k=K,
                        exclude_seen=True,
                        exclude=(),
                        explain=True,
                        rules=RULES,
                    )
                )
                for past in histories.values()
            ],
            calls=[_call_with_rules(user_id) for user_id in histories],
        ),
    ]


def _question(question: TopItemsQuestion) -> HttpRequest:
    return HttpRequest(path="/predictions/rec", body=question.encode().decode())


def _call_with_rules(user_id: str) -> HttpRequest:
    body = {"user_id": user_id, "k": K, "placement": PLACEMENT, "explain": True}
    return HttpRequest(path="/v1/recommendations", body=json.dumps(body))


def _events(num: int) -> list[HttpRequest]:
    """Return calls with `num` events without ids, so that each is a new event."""
    numbers = itertools.count()
    requests = []
    for _ in range(NUM_SENDERS // num):
        events = [_event(next(numbers)) for _ in range(num)]
        requests.append(
            HttpRequest(path="/v1/events", body=json.dumps(events if num > 1 else events[0]))
        )
    return requests


def _event(number: int) -> dict[str, str]:
    item_id = str(number % NUM_ITEMS + 1)
    return {"user_id": f"sender-{number % NUM_SENDERS}", "item_id": item_id, "type": "view"}


def _compare(
    load: str, found: Mapping[str, Sequence[Measured]], connections: int
) -> list[BenchMetric]:
    """Return the medians over the rounds, and the medians of each gateway's ratios to the model."""
    metrics: list[BenchMetric] = []
    for name, rounds in found.items():
        title = f"{load}, {name}, {connections} connections"
        rates, failed = [one.rate for one in rounds], sum(one.num_failed for one in rounds)
        spread = f"{min(rates):,.0f} to {max(rates):,.0f} in {len(rounds)} rounds"
        metrics += [
            BenchMetric(
                metric=f"{title}: requests",
                value=median(rates),
                unit="1/s",
                note=f"{generator_name()}; {spread}",
            ),
            BenchMetric(
                metric=f"{title}: p50", value=median(one.p50_ms for one in rounds), unit="ms"
            ),
            BenchMetric(
                metric=f"{title}: p99", value=median(one.p99_ms for one in rounds), unit="ms"
            ),
            BenchMetric(metric=f"{title}: failed", value=failed, unit="1"),
        ]
    for name in found:
        if name != MODEL:
            title = f"{load}, {name} over {MODEL}, {connections} connections"
            metrics += _ratios(title, found[MODEL], found[name])
    return metrics


def _ratios(title: str, model: Sequence[Measured], ours: Sequence[Measured]) -> list[BenchMetric]:
    pairs = list(zip(model, ours, strict=True))
    rates = [ours.rate / bare.rate for bare, ours in pairs]
    p99s = [ours.p99_ms / bare.p99_ms for bare, ours in pairs]
    return [
        BenchMetric(metric=f"{title}: requests", value=median(rates), unit="1"),
        BenchMetric(metric=f"{title}: p99", value=median(p99s), unit="1"),
    ]


def _rows_of_events(found: Measured, gateway: str, num: int, connections: int) -> list[BenchMetric]:
    title = f"events, {num} a call, {gateway}, {connections} connections"
    return [
        BenchMetric(
            metric=f"{title}: events",
            value=num * found.rate,
            unit="1/s",
            note=f"{generator_name()}; durable, and in the histories",
        ),
        BenchMetric(metric=f"{title}: p50", value=found.p50_ms, unit="ms"),
        BenchMetric(metric=f"{title}: p99", value=found.p99_ms, unit="ms"),
        BenchMetric(metric=f"{title}: failed", value=found.num_failed, unit="1"),
    ]
