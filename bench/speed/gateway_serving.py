"""The gateway beside TorchServe: lists for the same users, and events, in the same run.

TorchServe is asked the questions that the gateway asks it for these users, so the ratio is what the
gateway costs. The two take turns, since other work on a machine changes from minute to minute.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from statistics import median

from bench.report.rows import BenchMetric
from bench.speed.generator import HttpRequest, Measured, generator_name, measure
from cron.settings.tree import Settings
from cron.user_keys import hash_without_key
from cron.wiring import open_histories
from gateway.model.questions import TopItemsQuestion, stored_element

CONNECTIONS = (8, 64)
ROUNDS = 3
NUM_USERS, K = 200, 10
NUM_SENDERS, NUM_ITEMS, EVENTS_A_BATCH = 5_000, 1_682, 100


def gateway_serving(
    histories: str, *, gateway_port: int, inference_port: int, seconds: float
) -> list[BenchMetric]:
    """Measure lists of both, then single events and batches; each load lasts `seconds` in all."""
    asked = _questions(histories)
    questions = [HttpRequest(path="/predictions/rec", body=body) for body in asked.values()]
    calls = [HttpRequest(path=f"/v1/recommendations/{user_id}") for user_id in asked]
    metrics: list[BenchMetric] = []
    for connections in CONNECTIONS:
        of_model: list[Measured] = []
        of_gateway: list[Measured] = []
        for _ in range(ROUNDS):
            for port, requests, found in (
                (inference_port, questions, of_model),
                (gateway_port, calls, of_gateway),
            ):
                length_s = seconds / ROUNDS
                found.append(measure(port, requests, connections=connections, seconds=length_s))
        metrics += _compare(of_model, of_gateway, connections)
    for connections, num in itertools.product(CONNECTIONS, (1, EVENTS_A_BATCH)):
        one = measure(gateway_port, _events(num), connections=connections, seconds=seconds)
        metrics += _rows_of_events(one, num, connections)
    return metrics


def _questions(histories: str) -> Mapping[str, str]:
    """Return what the gateway asks the model, by user, for some users of MovieLens."""
    max_history = Settings().train.model.max_history
    store = open_histories(histories, hash_without_key)
    questions: dict[str, str] = {}
    for number in itertools.count(1):
        past = store.past(str(number), max_history)
        if past:
            question = TopItemsQuestion(
                user_seq=[*map(stored_element, past)], k=K, exclude_seen=True, exclude=()
            )
            questions[str(number)] = question.encode().decode()
        if len(questions) == NUM_USERS or number > 10 * NUM_USERS:
            break
    return questions


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
    of_model: Sequence[Measured], of_gateway: Sequence[Measured], connections: int
) -> list[BenchMetric]:
    """Return the medians of both over the rounds, and the medians of their ratios."""
    pairs = list(zip(of_model, of_gateway, strict=True))
    metrics: list[BenchMetric] = []
    for name, found in (("TorchServe", of_model), ("gateway", of_gateway)):
        title = f"top-{K} of {NUM_USERS} users, {name}, {connections} connections"
        rates, failed = [one.rate for one in found], sum(one.num_failed for one in found)
        spread = f"{min(rates):,.0f} to {max(rates):,.0f} in {len(found)} rounds"
        metrics += [
            BenchMetric(
                metric=f"{title}: requests",
                value=median(rates),
                unit="1/s",
                note=f"{generator_name()}; {spread}",
            ),
            BenchMetric(
                metric=f"{title}: p50", value=median(one.p50_ms for one in found), unit="ms"
            ),
            BenchMetric(
                metric=f"{title}: p99", value=median(one.p99_ms for one in found), unit="ms"
            ),
            BenchMetric(metric=f"{title}: failed", value=failed, unit="1"),
        ]
    title = f"gateway over TorchServe, {connections} connections"
    rate_ratios = [ours.rate / bare.rate for bare, ours in pairs]
    p99_ratios = [ours.p99_ms / bare.p99_ms for bare, ours in pairs]
    return [
        *metrics,
        BenchMetric(metric=f"{title}: requests", value=median(rate_ratios), unit="1"),
        BenchMetric(metric=f"{title}: p99", value=median(p99_ratios), unit="1"),
    ]


def _rows_of_events(found: Measured, num: int, connections: int) -> list[BenchMetric]:
    title = f"events, {num} a call, {connections} connections"
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
