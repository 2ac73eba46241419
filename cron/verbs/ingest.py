"""`ingest`: public files become items and events in the log.

An event's id comes from what it says, so ingesting twice counts once, and so does a row that a
longer file holds again. All items are ingested, whatever the part of the events.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from cron.errors import FreshetError, SettingsError
from cron.journal.dead_letters import DeadLetters
from cron.settings.file import Loaded
from cron.settings.places import var_folder
from cron.verbs.part import (
    Part,
    add_column_arguments,
    add_item_arguments,
    columns_of,
    parse_part,
    read_source,
)
from cron.verbs.source_warnings import warnings_of
from cron.wiring import open_log
from recommender.events import MAX_CLOCK_SKEW, Event, InvalidRecord, Record, parse_event, parse_item
from trainer import durable_files

if TYPE_CHECKING:
    from sources.source import Source

SUMMARY = (
    "bring a data set into the log: MovieLens, Amazon Reviews, RecBole, any table; twice is once"
)
BATCH_RECORDS = 5_000  # one transaction and one fsync
_NUM_REASONS = 10
_NUM_TYPES = 10
_LONGEST_SHIFT_S = 1e10  # over three centuries
# in var: by how many seconds each part was moved, so that a repeat moves it equally
SHIFTS = "shifts.json"


@dataclass(slots=True, kw_only=True)
class Counts:
    """What became of the records so far."""

    events: int = 0
    items: int = 0
    duplicates: int = 0
    rejected: int = 0

    def __str__(self) -> str:
        return f"{self.events:,} events and {self.items:,} items new to the log, {self.duplicates:,} duplicates, {self.rejected:,} rejected"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="a folder, a file or the publisher's zip"
    )
    parser.add_argument(
        "--part",
        type=parse_part,
        default=Part(),
        metavar="FROM:TO",
        help="shares of the events by time (default 0:1)",
    )
    parser.add_argument(
        "--shift-to-now",
        action="store_true",
        help="move all times equally, so that the part's last event is now",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="read and check everything, store nothing"
    )
    parser.add_argument(
        "--json", action="store_true", help="say what became of the records as JSON"
    )
    add_column_arguments(parser)
    add_item_arguments(parser)


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Ingest; print what became of the records."""
    var = var_folder(loaded.settings)
    if not arguments.dry_run:
        _expect_writable(var)
    source = read_source(arguments.path, columns_of(arguments))
    part: Part = arguments.part
    first, last = part.bounds(len(source.events))
    if first == last:
        raise FreshetError(
            f"part {part} of {len(source.events)} events is empty; nothing to ingest"
        )
    _expect_a_good_event(source, first, last)
    shift = (
        _shift(var, source, part, store=not arguments.dry_run)
        if arguments.shift_to_now
        else timedelta(0)
    )
    intake = Intake(
        loaded.settings.store.events, var, shift, source.called, dry_run=arguments.dry_run
    )
    intake.take_rejects(source)
    items = (((source.items_file, _line_of(item)), item) for item in source.items)
    events = (
        (source.events.place_of(line), event)
        for line, event in source.events.with_lines(first, last)
    )
    intake.take(items, total=source.num_items, what="items")
    intake.take(events, total=last - first, what="events")
    warnings = _warnings(source, intake)
    if arguments.json:
        print(json.dumps(_summary(source, intake, warnings), ensure_ascii=False, indent=1))
    else:
        verb = "would ingest" if arguments.dry_run else "ingested"
        print(f"{verb} {source.name} from {arguments.path}, part {part}: {intake.counts}")
        for reason, number in intake.rejected.most_common(_NUM_REASONS):
            print(f"  {number:,} rejected: {reason}")
        if len(intake.types) > 1:
            print(
                "  types: "
                + ", ".join(
                    f"{number:,} {name}" for name, number in intake.types.most_common(_NUM_TYPES)
                )
            )
        for warning in warnings:
            print(f"  warning: {warning}")
    return 0


def _warnings(source: Source, intake: Intake) -> list[str]:
    warnings = warnings_of(source)
    if intake.letters_lost:
        warnings.append(
            f"{intake.letters_lost:,} rejected rows could not be kept as dead letters in store.var; is its disk full?"
        )
    return warnings


def _summary(source: Source, intake: Intake, warnings: list[str]) -> dict[str, object]:
    counts = intake.counts
    first_at, last_at = (
        None if at is None else at.isoformat() for at in (intake.first_at, intake.last_at)
    )
    return {
        "format": source.name,
        "events": counts.events,
        "items": counts.items,
        "users": len(intake.users),
        "types": dict(intake.types.most_common()),
        "duplicates": counts.duplicates,
        "rejected": dict(intake.rejected.most_common()),
        "first_at": first_at,
        "last_at": last_at,
        "warnings": warnings,
    }


class Intake:
    """Checks raw records and appends them to the log in batches, counting; a dry run only checks.

    `first_at` and `last_at` are the times of its good events, shifted, None before there is one;
    `users` and `types` are theirs. `called` is what the file calls the fields of its records.
    """

    def __init__(
        self, log_url: str, var: Path, shift: timedelta, called: Mapping[str, str], *, dry_run: bool
    ) -> None:
        self.counts = Counts()
        self.rejected: Counter[str] = Counter()
        self.letters_lost = 0  # rejected rows that the disk did not take
        self.users: set[str] = set()
        self.types: Counter[str] = Counter()
        self._log = None if dry_run else open_log(log_url)
        self._called = called
        self._dead_letters = None if dry_run else DeadLetters(var / "dead-letters.jsonl")
        self.first_at: datetime | None = None
        self.last_at: datetime | None = None
        self._shift = shift
        self._now = datetime.now(UTC)

    def take_rejects(self, source: Source) -> None:
        """Bury the rows that the source itself could not read."""
        rejected = (
            source.read_rejects(source.rejects)
            if self._dead_letters
            else ((reject, "") for reject in source.rejects)
        )
        for reject, raw in rejected:
            self._reject(f"{reject.file}, line {reject.line}", reject.reason, raw)

    def take(
        self, raw: Iterable[tuple[tuple[str, int], Mapping[str, object]]], *, total: int, what: str
    ) -> None:
        """Check and store records, each with its file and line, with a progress bar on a terminal."""
        from tqdm import tqdm

        with tqdm(total=total, desc=f"ingesting {what}", unit=f" {what}", disable=None) as bar:
            stream = iter(raw)
            while batch := list(islice(stream, BATCH_RECORDS)):
                records = [
                    record
                    for record in (self._parse(one, place) for place, one in batch)
                    if record is not None
                ]
                self._store(records)
                bar.update(len(batch))

    def _parse(self, raw: Mapping[str, object], place: tuple[str, int]) -> Record | None:
        parse = parse_event if "user_id" in raw else parse_item
        try:
            record = parse(raw, now=self._now, new_id=_no_id)
        except InvalidRecord as error:
            expected = error.reason.rpartition(", expected ")[
                2
            ]  # what was found differs from row to row, and lies in the letter
            self._reject(
                f"{place[0]}, line {place[1]}",
                f"{self._called.get(error.field, error.field)}: expected {expected}",
                raw,
            )
            return None
        if not isinstance(record, Event):
            return record
        event = replace(record, at=record.at + self._shift)
        self.users.add(event.user_id)
        self.types[event.type] += 1
        self.first_at = min(self.first_at or event.at, event.at)
        self.last_at = max(self.last_at or event.at, event.at)
        return event

    def _store(self, records: list[Record]) -> None:
        duplicates = (
            frozenset(self._log.append(records).duplicates)
            if self._log and records
            else frozenset()
        )
        num_events = sum(
            isinstance(record, Event)
            for index, record in enumerate(records)
            if index not in duplicates
        )
        self.counts.events += num_events
        self.counts.items += len(records) - len(duplicates) - num_events
        self.counts.duplicates += len(duplicates)

    def _reject(self, where: str, reason: str, raw: object) -> None:
        self.counts.rejected += 1
        self.rejected[reason] += 1
        if self._dead_letters:
            is_kept = self._dead_letters.add(
                source=f"ingest {where}", reason=reason, raw=raw, at=self._now
            )
            self.letters_lost += not is_kept


def _expect_a_good_event(source: Source, first: int, last: int) -> None:
    """Raise FreshetError with the fault of the first event when none of those from first to last can be taken."""
    now = datetime.now(UTC)
    fault = ""
    for line, raw in source.events.with_lines(first, last):
        try:
            parse_event(raw, now=now, new_id=_no_id)
        except InvalidRecord as error:
            column = source.called.get(error.field, error.field)
            said = error.reason.removeprefix(error.field)
            file, number = source.events.place_of(line)
            fault = (
                fault
                or f"{Path(source.events_path).with_name(file)}, line {number}, column {column}{said}"
            )
        else:
            return
    raise FreshetError(f"{fault}; of {last - first:,} events none can be taken")


def _shift(var: Path, source: Source, part: Part, *, store: bool) -> timedelta:
    """Return what moves the part's last event to now, or, for a part that was moved before, the same again.

    Events that say a time to come are refused later, so they are not what counts as the last.
    """
    first, last = part.bounds(len(source.events))
    now = datetime.now(UTC)
    past_N = source.events.at_N[first:last]
    past_N = past_N[past_N <= (now + MAX_CLOCK_SKEW).timestamp()]
    file = var / SHIFTS
    known = _shifts(file)
    # the file's digest, so a moved folder is the same data
    name = f"{source.events.file_sha256[:12]} {part}"
    if name not in known:
        known[name] = now.timestamp() - float(past_N[-1])
        if store:
            with _writing(var):
                durable_files.replace_text(file, json.dumps(known, indent=1))
    return timedelta(seconds=known[name])


def _shifts(file: Path) -> dict[str, float]:
    """Return by how many seconds each part was moved; raise FreshetError for a file that does not say it."""
    try:
        known: object = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise FreshetError(f"{file} can't be read: {error}") from error
    except (ValueError, RecursionError):
        known = None
    if isinstance(known, dict) and all(
        isinstance(one, float | int) and abs(one) < _LONGEST_SHIFT_S for one in known.values()
    ):
        return known
    remedy = "put it back from a backup, or delete it: then what is ingested next is moved anew"
    raise FreshetError(
        f"{file}: expected a JSON object of seconds by part, found something else; {remedy}"
    )


def _expect_writable(var: Path) -> None:
    """Raise SettingsError, before anything is taken, when rows that are no records could not be kept."""
    with _writing(var):
        var.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=var):
            pass


@contextmanager
def _writing(var: Path) -> Iterator[None]:
    """Say whose setting it is when the working folder can't be written."""
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"store.var: can't write into {var} ({error}); name a folder of yours, and repeat the command"
        ) from error


def _line_of(item: Mapping[str, object]) -> int:
    return int(str(item["event_id"]).rpartition(":")[2])  # as sources make their ids


def _no_id() -> str:
    raise AssertionError("a source gives every record its id")
