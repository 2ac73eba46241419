"""Simulated visitors of a shop who like one genre: their impressions and clicks, to Kafka.

    .venv/bin/python -m deploy.stack.shop --genre Horror [--visitors 200] [--speed 20]

Each visitor looks at what the gateway recommends and at the shelf of the genre, and clicks what is
on the shelf. The messages go into the topics `impressions` and `clicks`; Flink and Freshet do the
rest.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from cron.errors import FreshetError, MissingClient, SettingsError, Unavailable
from cron.settings.file import load_settings
from cron.settings.own_gateway import authorization, gateway_url
from cron.settings.private_files import keep_private
from cron.settings.tree import Settings
from deploy.servers.topics import CLICKS, IMPRESSIONS
from recommender.long_work import progress_bar

SHOWN = 10  # items on the front page, and on the shelf
CLICKED = 0.8  # share of the genre's items on a page that a visitor clicks
SEND_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What one visitor was shown, in order, and which of it belongs to the genre."""

    user_id: str
    item_ids: tuple[str, ...]
    of_genre: frozenset[str]


def messages(
    visit: Visit, now: float, generator: random.Random
) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield a visit's messages with their topics.

    There is an impression for each item, and a click on some items of the genre.
    """
    for position, item_id in enumerate(visit.item_ids):
        impression_id = f"{visit.user_id}:{uuid.uuid4().hex[:12]}"
        common = {"impression_id": impression_id, "user_id": visit.user_id, "item_id": item_id}
        yield IMPRESSIONS, {**common, "at": now, "position": position}
        if item_id in visit.of_genre and generator.random() < CLICKED:
            yield CLICKS, {**common, "at": now + 1.0}


def visit(gateway: httpx.Client, user_id: str, genre: str) -> Visit:
    """Ask the gateway what a visitor sees; raise FreshetError if it does not answer."""
    front, shelf = (
        _items(gateway, f"/v1/recommendations/{user_id}", {"k": str(SHOWN), **more})
        for more in ({}, {"filter": f"genre:{genre}"})
    )
    if not shelf:
        raise FreshetError(
            f"the catalogue has nothing of genre {genre!r}; use --genre with another one, such as "
            "Comedy"
        )
    return Visit(
        user_id=user_id, item_ids=tuple(dict.fromkeys([*front, *shelf])), of_genre=frozenset(shelf)
    )


def _items(gateway: httpx.Client, path: str, query: dict[str, str]) -> list[str]:
    try:
        answer = gateway.get(path, params=query)
        return [str(item["id"]) for item in answer.raise_for_status().json()["items"]]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise Unavailable("the gateway", where=str(gateway.base_url), why=str(error)) from error


def open_shop(settings: Settings, *, genre: str, num_visitors: int, speed: float, seed: int) -> int:
    """Send visitors, at `speed` impressions a second; return how many messages Kafka has."""
    try:
        from confluent_kafka import Producer
    except ImportError as error:
        raise MissingClient(scheme="kafka", package="confluent-kafka", extra="kafka") from error
    log = urlsplit(settings.store.events)
    if log.scheme != "kafka":
        raise SettingsError(
            f"store.events = {settings.store.events!r}: the shop sends to Kafka; set "
            "FRESHET_CONFIG to deploy/cluster.toml"
        )
    generator = random.Random(seed)
    refused: list[str] = []

    def note_refusal(error: object, _: object) -> None:
        if error:
            refused.append(str(error))

    producer = Producer(
        {"bootstrap.servers": log.netloc, "enable.idempotence": True, "log_level": 0}
    )
    headers = authorization(settings.gateway.api_key)
    gateway = httpx.Client(
        base_url=gateway_url(settings.gateway), headers=headers, timeout=10, trust_env=False
    )
    num_sent = 0
    with gateway, progress_bar("visiting", unit=" visitors", total=num_visitors) as bar:
        for number in range(num_visitors):
            seen = visit(gateway, f"visitor-{seed}-{number}", genre)
            for topic, message in messages(seen, time.time(), generator):
                key = str(message["user_id"]).encode()
                value = json.dumps(message).encode()
                producer.produce(topic, value, key, on_delivery=note_refusal)
                num_sent += 1
            producer.poll(0)
            bar.update()
            time.sleep(len(seen.item_ids) / speed)
    left = producer.flush(SEND_LIMIT_S)
    if left or refused:
        raise Unavailable(
            "Kafka",
            where=log.netloc,
            why=refused[0] if refused else f"{left} messages were not acknowledged",
        )
    return num_sent


def main(arguments: list[str]) -> int:
    """Open the shop; return 0 when Kafka has every message."""
    keep_private()
    parser = argparse.ArgumentParser(
        prog="python -m deploy.stack.shop",
        description="A shop's impressions and clicks, as Kafka messages.",
    )
    parser.add_argument("--genre", default="Horror", help="what the visitors like (default Horror)")
    parser.add_argument("--visitors", type=int, default=200, help="how many come (default 200)")
    parser.add_argument(
        "--speed", type=float, default=200.0, help="impressions a second (default 200)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="another number makes other visitors (default 1)"
    )
    given = parser.parse_args(arguments)
    try:
        settings = load_settings(None, os.environ).settings
        sent = open_shop(
            settings,
            genre=given.genre,
            num_visitors=given.visitors,
            speed=given.speed,
            seed=given.seed,
        )
    except FreshetError as why:
        print(why, file=sys.stderr)
        return 1
    print(
        f"{given.visitors} visitors who like {given.genre}: {sent:,} messages sent; their clicks "
        "become events within seconds"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
