"""The state that `cron.cycle.plan` decides on, read from the ledger and the journal."""

from __future__ import annotations

import itertools
from datetime import timedelta

import msgspec

from cron.cycle.measured_retrains import estimate_staleness
from cron.cycle.plan import PlanState
from cron.cycle.staleness import RetrainCost
from cron.errors import TrainingFailed
from cron.journal.journal import Journal
from cron.ledger import holds, journal_rows, release_rows, run_rows, shown_pictures
from cron.ledger.ledger import Ledger
from cron.lineage import Manifest, Range, Run
from cron.settings.worker_settings import FullSchedule
from recommender.config import BUNDLE_FORMAT, PictureEncoderConfig
from trainer.codec import decode, encode
from trainer.config import TrainConfig

# Refusals in a row are counted over the newest runs. With back-off and skipped turns stored as one
# row, 200 are more than a day.
_NUM_RUNS = 200


class _Shape(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that an update cannot change, because its weights would not fit."""

    encoder: object = None
    model: object = None
    # releases from before there were pictures, or some setting of them, have the defaults
    pictures: PictureEncoderConfig = msgspec.field(default_factory=PictureEncoderConfig)


def observe(
    ledger: Ledger,
    journal: Journal,
    config: TrainConfig,
    *,
    force_full: bool = False,
    schedule: FullSchedule = "clock",
) -> PlanState:
    """Return the state that `decide` needs."""
    live = release_rows.live(ledger)
    manifest = live.manifest if live is not None else None
    unpublished = _unpublished_runs(ledger)
    last_full = run_rows.last_full(ledger)
    items_through = manifest.items_through if manifest is not None else 0
    staleness = None
    if schedule == "worth" and manifest is not None:
        staleness = estimate_staleness(ledger, journal, manifest)
    new_records = journal.count(items_through + 1, journal_rows.last_seq(ledger))
    return PlanState(
        now=ledger.now(),
        live=manifest,
        hold=holds.current(ledger),
        num_new_events=num_new_events(ledger, journal),
        num_new_items=new_records.items,
        num_new_pictures=_num_new_pictures(ledger, manifest, config),
        num_refusals=sum(map(_is_verdict, unpublished)),
        num_unpublished=len(unpublished),
        last_ended_at=unpublished[0].ended_at if unpublished else None,
        last_full_at=last_full.ended_at if last_full is not None else None,
        last_full_s=last_full.seconds.get("train") if last_full is not None else None,
        settings_changed=manifest is not None and not has_shape(manifest, config),
        format_changed=manifest is not None and manifest.bundle_format != BUNDLE_FORMAT,
        force_full=force_full,
        staleness=staleness,
        last_full_cost=_cost(last_full) if last_full is not None else None,
        spent_day=run_rows.spent_since(ledger, ledger.now() - timedelta(days=1)).cost,
    )


def _cost(run: Run) -> RetrainCost | None:
    """Return what a full retrain cost: by its price, or else in seconds of a device."""
    if run.cost:
        return RetrainCost(value=run.cost, unit="of the price")
    seconds = run.device_s or run.seconds.get("train")
    return RetrainCost(value=seconds, unit="s of a device") if seconds else None


def num_new_events(ledger: Ledger, journal: Journal) -> int:
    """Return how many events the live release was not trained on, without excluded ones."""
    live, first_seq = release_rows.live(ledger), journal.first_seq
    if live is not None:
        first_seq = max(first_seq, live.manifest.trained_through + 1)
    span = (first_seq, journal_rows.last_seq(ledger))
    return num_usable_events(journal, span, holds.excluded_ranges(ledger))


def _num_new_pictures(ledger: Ledger, live: Manifest | None, config: TrainConfig) -> int:
    """Return how many items have a picture that the live release lacks; 0 if none is encoded."""
    if live is None or not config.pictures.reads_pictures:
        return 0
    return shown_pictures.num_new_thumbnails(ledger, live.pictures_through)


def num_usable_events(journal: Journal, span: Range, excluded: tuple[Range, ...]) -> int:
    """Return how many events are in a range but not in the excluded ranges, which are disjoint."""
    first, last = span
    num_events = journal.count(first, last).events if first <= last else 0
    for start, end in excluded:
        inside = (max(start, first), min(end, last))
        num_events -= journal.count(*inside).events if inside[0] <= inside[1] else 0
    return num_events


def capped_range(
    journal: Journal, span: Range, excluded: tuple[Range, ...], *, max_events: int
) -> Range:
    """Return the longest start of a range that contains at most `max_events` usable events."""
    first, last = span
    if num_usable_events(journal, span, excluded) <= max_events:
        return span
    fits, exceeds = first, last  # the end is in [fits, exceeds)
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        if num_usable_events(journal, (first, middle), excluded) <= max_events:
            fits = middle
        else:
            exceeds = middle
    return first, fits


def _unpublished_runs(ledger: Ledger) -> list[Run]:
    """Return the runs refused or failed since the last one that published, newest first."""
    runs = run_rows.newest(ledger, _NUM_RUNS)
    since = itertools.takewhile(lambda run: run.outcome != "published", runs)
    return [run for run in since if run.outcome in ("refused", "failed")]


def _is_verdict(run: Run) -> bool:
    """Return whether a run's end says something about the model or its data.

    Only then may a full retrain help. A full disk, a dead worker or trainer, an unreachable store
    and an error of our own say nothing about the model; nor does a model server that was only slow.
    """
    if run.outcome == "failed":
        return run.reasons[-1].name == TrainingFailed.__name__
    return any(not reason.ok and reason.name != "latency" for reason in run.reasons)


def has_shape(manifest: Manifest, config: TrainConfig) -> bool:
    """Return whether a release was made with the encoder and the model of the settings."""
    return msgspec.convert(manifest.config, _Shape) == decode(encode(config), _Shape)
