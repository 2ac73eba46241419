"""Snapshots of a made-up shop's journal, by the sizes of catalogue and history.

The journal is written first. Each snapshot, and the index of events by user that updates read, is
made in a process of its own.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench.data.planted import Shop
from bench.scale.costs import Cost, Size, peak_gib
from bench.scale.cycle import settings_of, with_services
from bench.scale.journal_shop import blocks, write_events, write_items
from bench.scale.trainings import CONFIG, NEW_EVENTS
from cron.journal.journal import Journal
from cron.services import Services
from cron.settings.tree import GateSettings
from cron.snapshot.judged import need_of
from cron.snapshot.limits import Limits
from cron.snapshot.panel import Panel
from cron.snapshot.panel_choice import choose_panel_share
from cron.snapshot.pools import JournalParts
from cron.snapshot.request import SnapshotRequest
from cron.snapshot.snapshot import build_snapshot
from cron.worker.lease import working_alone

NO_SERVER = "torchserve://127.0.0.1:1/rec?inference=2"  # nothing is published
FRESH = 100_000  # newest events, on which a full retrain's snapshot has the live model scored


def snapshot_costs(size: Size) -> list[Cost]:
    """Measure a full retrain's snapshot, the index by user, and snapshots of updates."""
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as name:
        settings = settings_of(Path(name), NO_SERVER)
        with_services(write_journal, settings, size)
        costs = with_services(full_costs, settings, size)
        costs += with_services(index_costs, settings, size)
        for num_new in NEW_EVENTS:
            if 2 * num_new <= size.num_events:
                costs += with_services(update_costs, settings, size, num_new)
    return costs


def write_journal(services: Services, size: Size) -> None:
    """Write a shop's items and events to the journal."""
    shop = Shop(size.num_items, size.num_events)
    with working_alone(services) as lease:
        write_items(services, shop, lease)
        for first, events in blocks(shop):
            write_events(services, events, first, lease)


def full_costs(services: Services, size: Size) -> list[Cost]:
    """Measure the snapshot of a full retrain, with the choice of its panel."""
    last_seq, began = services.journal.last_seq, time.process_time()
    request = replace(
        _request(last_seq, panel_share=_panel_share(services.journal, last_seq)),
        mode="full",
        target_range=(1, last_seq),
        fresh_range=(max(1, last_seq - FRESH + 1), last_seq),
    )
    build_snapshot(services.journal, request, services.paths.var / "full")
    cpu_s = time.process_time() - began
    rate = Cost(
        size=size,
        what="a full retrain's snapshot",
        value=size.num_events / cpu_s,
        unit="events a processor s",
        peak_gib=peak_gib(),
        note=f"{cpu_s:.1f} s",
    )
    return [rate]


def index_costs(services: Services, size: Size) -> list[Cost]:
    """Measure the first build of the index of events by user, and its size."""
    began = time.process_time()
    services.journal.by_user.of([], (1, 1))
    what, cpu_s = "the index of events by user, first built", time.process_time() - began
    files = services.paths.journal.glob("users.db*")
    size_mb = sum(file.stat().st_size for file in files) / 1e6
    return [
        Cost(size=size, what=what, value=cpu_s, unit="s", peak_gib=peak_gib()),
        Cost(size=size, what="the index of events by user: disk", value=size_mb, unit="MB"),
    ]


def update_costs(services: Services, size: Size, num_new: int) -> list[Cost]:
    """Measure the snapshot of an update by the newest events."""
    last_seq = services.journal.last_seq
    new = (last_seq - num_new + 1, last_seq)
    request = replace(
        _request(last_seq, panel_share=GateSettings().min_panel_share),
        target_range=new,
        items_after=new[0] - 1,
        shift_range=new,
        older_before=new[0],
    )
    began = time.process_time()
    build_snapshot(services.journal, request, services.paths.var / f"update-{num_new}")
    cpu_s = time.process_time() - began
    what = f"the snapshot of an update of {num_new:,} events"
    return [Cost(size=size, what=what, value=cpu_s, unit="s", peak_gib=peak_gib())]


def _panel_share(journal: Journal, last_seq: int) -> float:
    parts = JournalParts.of(journal, last_seq)
    return choose_panel_share(parts, Panel(share=1.0), GateSettings(), CONFIG)


def _request(last_seq: int, *, panel_share: float) -> SnapshotRequest:
    """Return an update's request without events."""
    gate = GateSettings()
    return SnapshotRequest(
        mode="update",
        target_range=None,
        items_through=last_seq,
        panel=Panel(share=panel_share),
        replay_ratio=CONFIG.replay_ratio,
        max_history=CONFIG.model.max_history,
        need=need_of(gate),
        limits=Limits(user_share=gate.max_user_share, item_share=gate.max_item_share),
        positive_types=CONFIG.positive_types,
    )
