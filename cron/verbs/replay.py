"""`replay`: send a data set's events to the gateway in time order, as if they happened now.

An event's id is made from its content, so an event that was sent or ingested before counts once.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cron.errors import FreshetError
from cron.settings.file import Loaded
from cron.settings.places import var_folder
from cron.verbs.datasets.first_ingest import read_note
from cron.verbs.datasets.table_options import (
    add_column_arguments,
    columns_of,
    named_path,
    read_source,
)
from cron.verbs.datasets.timeline_slice import TimelineSlice, parse_slice
from cron.verbs.gateway_calls import GatewayCalls, add_url_argument, unexpected_answer
from cron.verbs.pace import even_batches
from cron.verbs.table import count
from recommender.long_work import progress_bar, say_beside_bar

RawEvent = Mapping[str, object]

SUMMARY = "send the rest of the data to the gateway as if it happened now"
MAX_BATCH = 5_000  # under 1 MiB of JSON


@dataclass(slots=True, kw_only=True)
class Sent:
    """What the gateway answered so far."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    first_reason: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "path",
        type=named_path,
        nargs="?",
        metavar="PATH",
        help="the data set (default: the one that the first `make serve` ingested)",
    )
    parser.add_argument(
        "--speed", type=_speed, default=100.0, metavar="N", help="events per second (default 100)"
    )
    parser.add_argument(
        "--part",
        type=parse_slice,
        metavar="FROM:TO",
        help="which events (default: what `make serve` did not ingest, or all of another PATH)",
    )
    parser.add_argument(
        "--keep-time",
        action="store_true",
        help="send the events' own times instead of the current time",
    )
    add_url_argument(parser)
    add_column_arguments(parser)


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Replay the events and print what became of them."""
    path, part = _data(arguments.path, arguments.part, var_folder(loaded.settings))
    source = read_source(path, columns_of(arguments))
    first, last = part.bounds(len(source.events))
    with (
        progress_bar(f"replaying {source.name}", unit=" events", total=last - first) as bar,
        GatewayCalls(
            "/v1/events", arguments.url, loaded.settings.gateway, say=say_beside_bar
        ) as calls,
    ):
        sender = Sender(calls)
        for batch in even_batches(
            source.events.between(first, last),
            arguments.speed,
            max_batch=MAX_BATCH,
            clock=time.monotonic,
            sleep=time.sleep,
        ):
            sender.send(
                batch if arguments.keep_time else _with_sending_time(batch, datetime.now(UTC))
            )
            bar.update(len(batch))
    sent = sender.sent
    print(
        f"replayed {source.name}, part {part}: {sent.accepted:,} accepted, "
        f"{count(sent.duplicates, 'duplicate')}, {sent.rejected:,} rejected"
    )
    if sent.rejected:
        print(f"the reason of the first rejection: {sent.first_reason}")
    return 1 if sent.rejected else 0


class Sender:
    """Posts batches and adds up what became of their events."""

    def __init__(self, calls: GatewayCalls) -> None:
        self.sent = Sent()
        self._calls = calls

    def send(self, batch: Sequence[RawEvent]) -> None:
        """Send one batch, waiting while the gateway is down; raise Unavailable if it stays down."""
        answer = self._calls.post(json.dumps(batch).encode(), "application/json")
        body = answer.json() if answer.status_code in (202, 400) else {}
        if "rejected" not in body:
            raise unexpected_answer(answer)
        self.sent.accepted += body["accepted"]
        self.sent.duplicates += body["duplicates"]
        self.sent.rejected += len(body["rejected"]) + body.get("more_rejected", 0)
        if body["rejected"] and not self.sent.first_reason:
            self.sent.first_reason = body["rejected"][0]["reason"]


def _data(path: Path | None, part: TimelineSlice | None, var: Path) -> tuple[Path, TimelineSlice]:
    """Choose data and part; by default, what the first `make serve` did not ingest."""
    note = read_note(var)
    if path is None and note is None:
        raise FreshetError(
            "make serve has not ingested anything yet, so name the data: python -m cron replay PATH"
        )
    if note is not None and (path is None or path.resolve() == note.path.resolve()):
        rest_from = note.part.last if note.part.last < 1 else 0.0
        return note.path, part or TimelineSlice(first=rest_from, last=1.0)
    assert path is not None
    return path, part or TimelineSlice()


def _with_sending_time(batch: Sequence[RawEvent], now: datetime) -> list[RawEvent]:
    """Return the events with the time of sending, a microsecond apart to keep their order."""
    return [
        {**event, "at": (now + timedelta(microseconds=place)).isoformat()}
        for place, event in enumerate(batch)
    ]


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 1e6:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a valid speed; expected a number of events per second above 0"
        )
    return speed
