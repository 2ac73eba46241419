"""What waits and what happened lately, read from the ledger and the journal for `cron.cycle.plan`; decides nothing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict

from cron.cycle.plan import PlanState
from cron.errors import TrainingFailed
from cron.journal.journal import Journal
from cron.ledger import holds, journal_rows, release_rows, run_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Range, Run
from cron.services import Services
from recommender.config import BUNDLE_FORMAT

# refusals in a row are counted over the newest runs; back-off and skipped rows make 200 more than a
# day
_NUM_RUNS = 200


def observe(services: Services, *, force_full: bool = False) -> PlanState:
    """Gather the state that `decide` needs."""
    ledger = services.ledger
    live = release_rows.live(ledger)
    manifest = live.manifest if live is not None else None
    unpublished = _unpublished(ledger)
    last_full = run_rows.last_full(ledger)
    items_through = manifest.items_through if manifest is not None else 0
    return PlanState(
        now=ledger.now(),
        live=manifest,
        hold=holds.current(ledger),
        num_new_events=num_new_events(ledger, services.journal),
        num_new_items=services.journal.count(
            items_through + 1, journal_rows.last_seq(ledger)
        ).items,
        num_refusals=sum(map(_is_verdict, unpublished)),
        num_unpublished=len(unpublished),
        last_ended_at=unpublished[0].ended_at if unpublished else None,
        last_full_at=last_full.ended_at if last_full is not None else None,
        last_full_s=last_full.seconds.get("train") if last_full is not None else None,
        settings_changed=manifest is not None
        and _shape(manifest.config)
        != _shape(json.loads(json.dumps(asdict(services.settings.train)))),
        format_changed=manifest is not None and manifest.bundle_format != BUNDLE_FORMAT,
        force_full=force_full,
    )


def _unpublished(ledger: Ledger) -> list[Run]:
    """Return the runs that were refused or failed since the last one that published, newest first."""
    since = itertools.takewhile(
        lambda run: run.outcome != "published", run_rows.newest(ledger, _NUM_RUNS)
    )
    return [run for run in since if run.outcome in ("refused", "failed")]


def _is_verdict(run: Run) -> bool:
    """Tell whether a run says something about the model or its data, to which a full retrain may be the answer.

    A full disk, a dead worker or trainer, a store that is away and an error of our own say nothing;
    neither does a model server that was only too slow.
    """
    if run.outcome == "failed":
        return run.reasons[-1].name == TrainingFailed.__name__
    return any(not reason.ok and reason.name != "latency" for reason in run.reasons)


def _shape(config: Mapping[str, object]) -> tuple[object, object]:
    """Return the settings that an update can't change: its weights would not fit."""
    return config.get("encoder"), config.get("model")


def num_new_events(ledger: Ledger, journal: Journal) -> int:
    """Count the journal's events that the live release did not learn from and that are not excluded."""
    live = release_rows.live(ledger)
    first_seq = max(journal.first_seq, live.manifest.trained_through + 1 if live is not None else 1)
    return usable_events(
        journal, (first_seq, journal_rows.last_seq(ledger)), holds.excluded_ranges(ledger)
    )


def usable_events(journal: Journal, span: Range, excluded: tuple[Range, ...]) -> int:
    """Count the events in a range without the excluded ones; the excluded ranges are disjoint."""
    first, last = span
    num_events = journal.count(first, last).events if first <= last else 0
    for start, end in excluded:
        inside = (max(start, first), min(end, last))
        num_events -= journal.count(*inside).events if inside[0] <= inside[1] else 0
    return num_events


def capped(journal: Journal, span: Range, excluded: tuple[Range, ...], *, max_events: int) -> Range:
    """Return the longest beginning of a range that holds at most `max_events` usable events."""
    first, last = span
    if usable_events(journal, span, excluded) <= max_events:
        return span
    fits, exceeds = first, last  # the end lies in [fits, exceeds)
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        if usable_events(journal, (first, middle), excluded) <= max_events:
            fits = middle
        else:
            exceeds = middle
    return first, fits
