"""`ingest`: append a data set's items and events to the log.

An event's id is made from its content. So ingesting twice counts once, and so does a row that a
longer file contains again. All items are ingested, no matter which part of the events.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Set
from datetime import timedelta
from typing import TYPE_CHECKING

from cron.errors import FreshetError
from cron.settings.file import Loaded
from cron.settings.places import var_folder
from cron.verbs.datasets.intake import Intake, expect_a_valid_event
from cron.verbs.datasets.source_warnings import misspelt_types, warnings_of
from cron.verbs.datasets.table_options import (
    add_column_arguments,
    add_item_arguments,
    columns_of,
    named_path,
    read_source,
)
from cron.verbs.datasets.time_shifts import expect_writable, shift_to_now
from cron.verbs.datasets.timeline_slice import TimelineSlice, parse_slice
from cron.verbs.table import count

if TYPE_CHECKING:  # imports pandas
    from sources.source import Source

SUMMARY = (
    "append a data set to the log: MovieLens, Amazon Reviews, RecBole or any table; "
    "repeating it adds nothing"
)
_NUM_REASONS = 10
_NUM_TYPES = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "path", type=named_path, metavar="PATH", help="a folder, a file or the publisher's zip"
    )
    parser.add_argument(
        "--part",
        type=parse_slice,
        default=TimelineSlice(),
        metavar="FROM:TO",
        help="which events, as shares of all events in time order (default 0:1)",
    )
    parser.add_argument(
        "--shift-to-now",
        action="store_true",
        help="shift all times equally so that the part's last event is now",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="read and check everything, but store nothing"
    )
    parser.add_argument(
        "--json", action="store_true", help="print what became of the records as JSON"
    )
    add_column_arguments(parser)
    add_item_arguments(parser)


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Ingest the data set and print what became of its records."""
    var, is_dry_run = var_folder(loaded.settings), arguments.dry_run
    if not is_dry_run:
        expect_writable(var)
    source = read_source(arguments.path, columns_of(arguments))
    part: TimelineSlice = arguments.part
    first, last = part.bounds(len(source.events))
    if first == last and not _has_no_events(source):
        num_events = count(len(source.events), "event")
        raise FreshetError(f"part {part} of {num_events} is empty; there is nothing to ingest")
    shift = timedelta(0)
    if first < last:
        expect_a_valid_event(source, first, last)
    if first < last and arguments.shift_to_now:
        shift = shift_to_now(var, source, part, store=not is_dry_run)
    intake = Intake(
        loaded.settings.store.events,
        var,
        shift,
        source.called,
        dry_run=is_dry_run,
        hides_out_of_stock=loaded.settings.items.hide_out_of_stock,
    )
    intake.take_rejects(source)
    intake.take_items(source)
    intake.take_facts(source)
    intake.take_events(source.events, first, last)
    train = loaded.settings.train
    warnings = _warnings(source, intake, {*train.positive_types, *train.negative_types})
    if arguments.json:
        print(json.dumps(_summary(source, intake, warnings), ensure_ascii=False, indent=1))
    else:
        verb = "would ingest" if is_dry_run else "ingested"
        print(f"{verb} {source.name} from {arguments.path}, part {part}: {intake.counts}")
        for line in _details(intake, warnings):
            print(line)
    return 0


def _has_no_events(source: Source) -> bool:
    """Return whether a data set is made of items or facts alone."""
    return len(source.events) == 0 and bool(source.num_items or source.num_facts)


def _details(intake: Intake, warnings: list[str]) -> list[str]:
    """Return the lines after the first one of the report."""
    lines = [
        f"  {number:,} rejected: {reason}"
        for reason, number in intake.rejected.most_common(_NUM_REASONS)
    ]
    if intake.rejected and intake.dead_letters is not None:
        lines.append(f"  rejected rows and their reasons are in {intake.dead_letters}")
    if len(intake.types) > 1:
        numbers = (f"{number:,} {name}" for name, number in intake.types.most_common(_NUM_TYPES))
        lines.append(f"  types: {', '.join(numbers)}")
    return lines + [f"  warning: {warning}" for warning in warnings]


def _warnings(source: Source, intake: Intake, effective: Set[str]) -> list[str]:
    """Return the warnings about a data set; types that are `effective` are not misspelt."""
    own_types = {name: num for name, num in intake.types.items() if name not in effective}
    warnings = warnings_of(source) + misspelt_types(own_types)
    if intake.letters_lost:
        warnings.append(
            f"{count(intake.letters_lost, 'rejected row')} could not be stored as dead letters in "
            "store.var; is its disk full?"
        )
    return warnings


def _summary(source: Source, intake: Intake, warnings: list[str]) -> dict[str, object]:
    counts = intake.counts
    return {
        "format": source.name,
        "events": counts.events,
        "items": counts.items,
        "facts": counts.facts,
        "users": len(intake.users),
        "first_user": intake.first_user,
        "types": dict(intake.types.most_common()),
        "duplicates": counts.duplicates,
        "rejected": dict(intake.rejected.most_common()),
        "first_at": intake.first_at.isoformat() if intake.first_at else None,
        "last_at": intake.last_at.isoformat() if intake.last_at else None,
        "warnings": warnings,
    }
