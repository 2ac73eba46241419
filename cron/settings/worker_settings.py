"""The settings of the worker (`[worker]`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from cron.settings.rules import (
    AT_LEAST_ONE,
    POSITIVE,
    SHARE,
    Bounds,
    ParsedTable,
    Text,
    is_crontab,
)
from cron.urls.launcher_table import parse_launchers, parse_machines_table, parse_prices

PositiveFloat = Annotated[float, POSITIVE]
ShareFloat = Annotated[float, SHARE]
FullSchedule = Literal["clock", "worth"]
CountInt = Annotated[int, AT_LEAST_ONE]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """When the worker runs a cycle."""

    interval_s: PositiveFloat = 120.0  # a cycle at least this often; `cron` replaces it when set
    cron: Annotated[str, Text(is_crontab)] | None = None  # a crontab expression, UTC
    after_events: CountInt = 1000  # or as soon as this many new events wait, whichever is first
    min_events: int = 500  # no update for fewer: a gate decides nothing on a handful of events
    # a full retrain once a day, in addition to the updates between
    full_every_s: PositiveFloat = 86_400.0
    # the share of time for full retrains that come sooner while they are cheap; 0: none.
    # docs/log.md
    full_share: ShareFloat = 0.1
    # "worth": full retrains come when what was lost without one is worth its cost, not by the two
    # settings above; the clock, because it needs no measured retrain and no price. docs/log.md
    full_schedule: FullSchedule = "clock"
    # what lists that are 1 % better are worth for a thousand events: in the currency of the price
    # of the launcher of full retrains, or without a price in seconds of a device; 40 s for a full
    # retrain of ML-100K are then worth it after some 10,000 events
    full_worth: PositiveFloat = 10.0
    max_events_per_run: CountInt = 200_000  # train on the oldest of them; the rest wait
    max_refusals: CountInt = 3  # this many refusals since the last release start a full retrain
    refusal_backoff_s: float = 120.0  # after a refused or failed run; doubled with each
    train_limit_s: PositiveFloat = 7_200.0
    # other launchers than store.launcher, by what they train: full, update, or update_from_100000
    # for updates of so many new events; none, because a shop begins with one machine
    launchers: Annotated[Mapping[str, str], ParsedTable(parse_launchers)] = field(
        default_factory=dict
    )
    # rented around the trainings that the same rows of `launchers` name
    machines: Annotated[Mapping[str, str], ParsedTable(parse_machines_table)] = field(
        default_factory=dict
    )
    # of a launcher, by the scheme of its URL: what an hour of one device costs, in any currency
    price_per_device_hour: Annotated[Mapping[str, float], ParsedTable(parse_prices)] = field(
        default_factory=dict
    )
    # while the trainings of the last 24 hours cost this much or more, full retrains wait; no limit,
    # because it needs a price
    budget_per_day: PositiveFloat | None = None
    poll_s: PositiveFloat = 1.0  # how often to check log, server default and followers
    lease_s: PositiveFloat = 30.0
    grace_s: float = 8.0  # after SIGTERM
    # where Prometheus reads the worker's metrics, without a key
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Bounds(0, 65_535, "a port between 1 and 65535, or 0 for none")] = (
        8010
    )
