"""What the tests of the command line read from its stores."""

from __future__ import annotations

from pathlib import Path

from cron import wiring
from cron.ports import START
from cron.settings.tree import Settings
from cron.urls import files
from recommender.records.events import Event

NUM_RATINGS = 10


def ledger_file(settings: Settings) -> Path:
    return files.parse(settings.store.ledger).path


def logged_records(settings: Settings) -> list[Event]:
    records = wiring.open_log(settings.store.events).read(START, 1000).records
    return [record for record in records if isinstance(record, Event)]
