"""The gateway beside TorchServe: lists for the same users, and events, in the same run.

TorchServe is asked for the lists that the gateway asks it for: plain ones, and those of a placement
with rules and reasons. Its own clients send histories as elements, the gateway in columns. So
TorchServe is asked for plain lists in both forms; the ratio to the second is what the gateway
itself costs. All take turns, since other work on a machine changes from minute to minute.

The gateway keeps histories that it read until an event comes, and here the same users ask again and
again. So plain lists are measured with events too, between which few users ask twice.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from statistics import median

import httpx
import msgspec
from msgspec import structs

from bench.report.rows import BenchMetric
from bench.speed.generator import HttpRequest, Measured, generator_name, measure
from bench.speed.load import load
from cron.settings.tree import Settings
from cron.user_keys import hash_without_key
from cron.wiring import open_histories
from gateway.model.asked_history import AskedHistory, asked_history
from gateway.model.questions import (
    BoostQuestion,
    RulesQuestion,
    TopItemsQuestion,
)

CONNECTIONS = (8, 64)
ROUNDS = 3
NUM_USERS, K = 200, 10
NUM_SENDERS, NUM_ITEMS, EVENTS_A_BATCH = 5_000, 1_682, 100
EVENTS_A_SECOND = 50
PLACEMENT = "bench"
# in the rows
MODEL = "TorchServe"
IN_COLUMNS = "TorchServe asked in columns"
BOOSTS = (
    BoostQuestion(attribute="genre", value="Comedy", add=0.5),
    BoostQuestion(attribute="genre", value="War", add=-1.0),
)
RULES = RulesQuestion(boosts=BOOSTS, min_rating=2.5, diversity=0.3, at_most={"genre": 5})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """The same lists, asked of the model and of the gateway."""

    name: str
    calls: Sequence[HttpRequest]  # of the gateway
    questions: Mapping[str, Sequence[HttpRequest]]  # of the model, by the name in the rows
    events_a_second: int = 0  # of others, sent to the gateway meanwhile


def gateway_serving(
    histories: str, *, gateway_ports: Mapping[str, int], inference_port: int, seconds: float
) -> list[BenchMetric]:
    """Measure lists of the model and of each gateway, which has a name in the rows, then events.

    Each load lasts `seconds` in all. The gateways have the same stores, with the placement.
    """
    histories_of_users = _histories(histories)
    metrics: list[BenchMetric] = []
    for one, connections in itertools.product(_loads(histories_of_users), CONNECTIONS):
        found: dict[str, list[Measured]] = {name: [] for name in (*one.questions, *gateway_ports)}
        for _, name in itertools.product(range(ROUNDS), found):
            port = gateway_ports.get(name, inference_port)
            requests = one.questions.get(name, one.calls)
            num_events = one.events_a_second if name in gateway_ports else 0
            with _arriving_events(port, a_second=num_events):
                found[name].append(
                    measure(port, requests, connections=connections, seconds=seconds / ROUNDS)
                )
        metrics += _compare(one.name, found, connections)
    for name, port in gateway_ports.items():
        for connections, num in itertools.product(CONNECTIONS, (1, EVENTS_A_BATCH)):
            sent = measure(port, _events(num), connections=connections, seconds=seconds)
            metrics += _rows_of_events(sent, name, num, connections)
    return metrics


def _histories(url: str) -> Mapping[str, AskedHistory]:
    """Return the histories of some users of MovieLens, as questions have them."""
    max_history = Settings().train.model.max_history
    store = open_histories(url, hash_without_key)
    found: dict[str, AskedHistory] = {}
    for number in range(1, 10 * NUM_USERS + 1):
        past = store.past(str(number), max_history)
        if past:
            found[str(number)] = asked_history(past, max_history=max_history)
        if len(found) == NUM_USERS:
            break
    return found


def _arriving_events(port: int, *, a_second: int) -> AbstractContextManager[object]:
    """Send single events to a gateway; none of them is of a user who is asked for."""
    if not a_second:
        return nullcontext()
    return load(port, "/v1/events", _event, connections=1, pause_s=1 / a_second)


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


def _loads(histories: Mapping[str, AskedHistory]) -> list[_Load]:
    """Return the questions and the calls for plain lists, and for lists with rules and reasons."""
    in_columns = [_plain(past.followed_by(())) for past in histories.values()]
    in_elements = [_plain(msgspec.Raw(past.elements)) for past in histories.values()]
    with_rules = [structs.replace(question, explain=True, rules=RULES) for question in in_elements]
    plain = _Load(
        name=f"top-{K} of {NUM_USERS} users",
        calls=[HttpRequest(path=f"/v1/recommendations/{user_id}") for user_id in histories],
        questions={MODEL: _requests(in_elements), IN_COLUMNS: _requests(in_columns)},
    )
    return [
        plain,
        replace(
            plain,
            name=f"{plain.name} with {EVENTS_A_SECOND} events/s",
            events_a_second=EVENTS_A_SECOND,
            questions={MODEL: plain.questions[MODEL]},
        ),
        _Load(
            name=f"top-{K} with rules and reasons",
            calls=[_call_with_rules(user_id) for user_id in histories],
            questions={MODEL: _requests(with_rules)},
        ),
    ]


def _plain(history: msgspec.Raw) -> TopItemsQuestion:
    return TopItemsQuestion(user_seq=history, k=K, exclude_seen=True, exclude=())


def _requests(questions: Iterable[TopItemsQuestion]) -> list[HttpRequest]:
    return [
        HttpRequest(path="/predictions/rec", body=question.encode().decode())
        for question in questions
    ]


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
    """Return the medians over the rounds, and those of each gateway's ratios to the model."""
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
    models = [name for name in found if name in (MODEL, IN_COLUMNS)]
    for model, name in itertools.product(models, found):
        if name not in models:
            title = f"{load}, {name} over {model}, {connections} connections"
            metrics += _ratios(title, found[model], found[name])
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
