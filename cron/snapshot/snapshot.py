"""The snapshot: a folder for the trainer, made from the journal and copies of bundles.

Its files are described in docs/architecture.md. Events are trained, replayed, judged or read as
context. The same journal and request give the same content, hence the same `data_digest`, on any
machine.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cron.journal import segments
from cron.journal.journal import Journal
from cron.snapshot.judged import Need, newest_judged, older_judged, positive_of
from cron.snapshot.limits import Kept, Limits, within_limits
from cron.snapshot.panel import Panel
from cron.snapshot.shift import Shift, shift_of
from cron.snapshot.timeline import (
    Mask,
    Timeline,
    context_of,
    in_ranges,
    replay_sample,
    timeline,
    with_roles,
)
from trainer.codec import decode, encode
from trainer.config import Mode
from trainer.machine import durable_files

FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRequest:
    """The content of a snapshot. Ranges are journal numbers, both ends included.

    `panel`: users whose events are kept out of training, now and in later updates.
    `judged`: users whose events are scored, if they are others; their events are kept out of this
    training too. None of the compared models was trained on them.
    `older_before`: panel events below this number are scored separately; None scores none.
    `fresh_range`: events that the live model never trained on, on which it is scored. By default an
    update uses its target range and other modes use none.
    `shift_range`: events whose mix is compared with that of the events before them.
    """

    mode: Mode
    target_range: tuple[int, int] | None
    items_through: int
    panel: Panel
    judged: Panel | None = None
    excluded: tuple[tuple[int, int], ...] = ()
    replay_ratio: float = 0.0
    max_history: int = 100
    seed: int = 0
    need: Need
    limits: Limits
    positive_types: tuple[str, ...]
    positive_rating: float | None = None
    live: Path | None = None
    anchor: Path | None = None
    state: Path | None = None
    live_version: int | None = None
    anchor_version: int | None = None
    fresh_range: tuple[int, int] | None = None
    shift_range: tuple[int, int] | None = None
    older_before: int | None = None

    @property
    def scored_panel(self) -> Panel:
        """The users whose events are scored."""
        return self.judged or self.panel


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotInfo:
    """The measured content of a snapshot.

    `num_panel_events` and `num_panel_users` count the scored choices and their users,
    `num_older_events` those among the older events. `over_user_limit` and `over_item_limit` count
    events of the target range that are not trained on. `shift` is None where there are too few
    events.
    """

    data_digest: str
    num_targets: int
    num_replay: int
    num_items: int
    num_panel_users: int
    num_panel_events: int
    num_older_events: int
    over_user_limit: int
    over_item_limit: int
    shift: Shift | None


def build_snapshot(journal: Journal, request: SnapshotRequest, out: Path) -> SnapshotInfo:
    """Write a complete snapshot to the folder `out`.

    A snapshot that is already there for the same request is kept.
    """
    existing = _existing(request, out)
    if existing is not None:
        return existing
    partial = out.with_name(out.name + ".partial")
    for leftover in (partial, out):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)

    through = request.items_through
    if request.target_range is not None:
        through = max(through, request.target_range[1])
    records = journal.read(1, through)
    chosen = _choose(_events(records, request), request)
    tables = {f"{name}.parquet": table for name, table in chosen.tables.items()}
    tables["items.parquet"] = _items(
        records.filter(pc.less_equal(records["seq"], request.items_through))
    )
    for name, table in tables.items():
        pq.write_table(table, partial / name, compression="zstd")
    for name, source in (("live", request.live), ("anchor", request.anchor)):
        if source is not None:
            shutil.copytree(source, partial / name)
    if request.state is not None:
        (partial / "state").mkdir()
        shutil.copyfile(request.state, partial / "state" / "optimizer.safetensors")

    info = _info(tables, chosen)
    manifest = {**_request_values(request), **msgspec.to_builtins(info)}
    (partial / "manifest.json").write_text(encode(manifest, indent=1), encoding="utf-8")
    durable_files.sync_tree(partial)
    durable_files.move(partial, out)
    return info


def _events(records: pa.Table, request: SnapshotRequest) -> Timeline:
    """Return all events but the excluded ones, which are not used for anything."""
    events = records.filter(pc.equal(records["kind"], "event"))
    events = events.filter(pa.array(~in_ranges(events["seq"].to_numpy(), request.excluded)))
    return timeline(
        events,
        is_panel=lambda user_id: (
            request.panel.holds(user_id) or request.scored_panel.holds(user_id)
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """The tables of events, and counts taken while choosing them."""

    tables: dict[str, pa.Table]
    judged: tuple[int, int]  # users and choices that are scored
    num_older: int
    kept: Kept
    shift: Shift | None


def _choose(events: Timeline, request: SnapshotRequest) -> _Chosen:
    kept = _targets(events, request)
    replay_N = _replay(events, request, kept.mask_N)
    positive_N = positive_of(events, request.positive_types, request.positive_rating)
    judged_N = events.by_user(request.scored_panel.holds) > 0
    score_N = newest_judged(events, positive_N, judged_N, request.need)
    older = events.before(request.older_before or 0)
    is_older_N = events.seq_N < (request.older_before or 0)
    older_N = older_judged(older, positive_N[is_older_N], judged_N[is_older_N], request.need)

    fresh_range = request.fresh_range
    if fresh_range is None and request.mode == "update":
        fresh_range = request.target_range
    fresh_N = in_ranges(events.seq_N, [fresh_range] if fresh_range else []) & events.lasting_N
    return _Chosen(
        tables={
            "events": _with_context(events, request, target=kept.mask_N, replay=replay_N),
            "panel": _with_context(events, request, score=score_N),
            "older": _with_context(older, request, score=older_N),
            "fresh": _with_context(events, request, score=fresh_N),
        },
        judged=(
            len(np.unique(events.user_N[score_N & positive_N])),
            int((score_N & positive_N).sum()),
        ),
        num_older=int((older_N & positive_N[is_older_N]).sum()),
        kept=kept,
        shift=shift_of(events, request.shift_range) if request.shift_range else None,
    )


def _targets(events: Timeline, request: SnapshotRequest) -> Kept:
    inside_N = in_ranges(events.seq_N, [request.target_range] if request.target_range else [])
    return within_limits(events, inside_N & ~events.panel_N, request.limits)


def _replay(events: Timeline, request: SnapshotRequest, target_N: Mask) -> Mask:
    """Draw older events for an update, within the same limits.

    So a sender's flood is not replayed either.
    """
    size = round(request.replay_ratio * int((target_N & events.lasting_N).sum()))
    if request.mode != "update" or request.target_range is None or not size:
        return np.zeros_like(target_N)
    older_N = (events.seq_N < request.target_range[0]) & events.lasting_N & ~events.panel_N
    return replay_sample(
        events,
        within_limits(events, older_N, request.limits).mask_N,
        first_N=context_of(events, target_N, max_history=request.max_history),
        size=size,
        run=request.max_history,
        seed=request.seed,
    )


def _with_context(events: Timeline, request: SnapshotRequest, **roles: Mask) -> pa.Table:
    """Return the events in these roles, and the events of their users before each of them."""
    chosen_N = np.logical_or.reduce(list(roles.values()))
    context_N = context_of(events, chosen_N, max_history=request.max_history)
    return with_roles(events, [*roles.items(), ("context", context_N)])


def _items(records: pa.Table) -> pa.Table:
    """Return the latest record of each item.

    Excluded ranges are included here: the shop corrects an item by sending it again.
    """
    latest = segments.latest_items(records)
    payloads = [json.loads(payload) for payload in latest["payload"].to_pylist()]
    return pa.table(
        {
            "seq": latest["seq"],
            "item_id": latest["item_id"],
            "title": pa.array([one["title"] for one in payloads], pa.string()),
            "text": pa.array([one["text"] for one in payloads], pa.string()),
            "attributes": pa.array(
                [encode(one["attributes"], sort_keys=True) for one in payloads], pa.string()
            ),
            "hidden": pa.array([one["hidden"] for one in payloads], pa.bool_()),
            "at_us": latest["at_us"],
        }
    )


def _info(tables: dict[str, pa.Table], chosen: _Chosen) -> SnapshotInfo:
    trained = tables["events.parquet"]
    return SnapshotInfo(
        data_digest=content_digest(tables),
        num_targets=trained.filter(pc.equal(trained["role"], "target")).num_rows,
        num_replay=trained.filter(pc.equal(trained["role"], "replay")).num_rows,
        num_items=tables["items.parquet"].num_rows,
        num_panel_users=chosen.judged[0],
        num_panel_events=chosen.judged[1],
        num_older_events=chosen.num_older,
        over_user_limit=chosen.kept.over_user,
        over_item_limit=chosen.kept.over_item,
        shift=chosen.shift,
    )


def content_digest(tables: dict[str, pa.Table]) -> str:
    """Return the sha256 over names, columns and values, in order.

    The bytes of the Parquet files are not used: they depend on the library's version.
    """
    digest = hashlib.sha256()
    for name in sorted(tables):
        table = tables[name]
        for column_name, column in zip(table.column_names, table.columns, strict=True):
            digest.update(f"{name}/{column_name}/{column.type}/{len(column)};".encode())
            for part in _column_bytes(column):
                digest.update(part)
    return digest.hexdigest()


def _column_bytes(column: pa.ChunkedArray) -> list[bytes]:
    missing = pc.is_null(column).to_numpy().tobytes()
    if pa.types.is_string(column.type):
        lengths = pc.fill_null(pc.binary_length(column), -1).to_numpy().tobytes()
        text = "".join(value for value in column.to_pylist() if value is not None)
        return [missing, lengths, text.encode()]
    return [missing, pc.fill_null(column, pa.scalar(0).cast(column.type)).to_numpy().tobytes()]


def _request_values(request: SnapshotRequest) -> dict[str, object]:
    """Return the request's part of the manifest. Of a panel's secret it has only the id."""
    judged = request.judged
    return {
        "format": FORMAT,
        "mode": request.mode,
        "target_range": request.target_range,
        "items_through": request.items_through,
        "panel_share": request.panel.share,
        "panel_key": request.panel.key,
        "judged_share": judged.share if judged is not None else None,
        "judged_key": judged.key if judged is not None else None,
        "excluded": request.excluded,
        "replay_ratio": request.replay_ratio,
        "max_history": request.max_history,
        "seed": request.seed,
        **msgspec.to_builtins(request.need),
        **msgspec.to_builtins(request.limits),
        "positive_types": request.positive_types,
        "positive_rating": request.positive_rating,
        "live_version": request.live_version,
        "anchor_version": request.anchor_version,
        "fresh_range": request.fresh_range,
        "shift_range": request.shift_range,
        "older_before": request.older_before,
    }


def _existing(request: SnapshotRequest, out: Path) -> SnapshotInfo | None:
    """Return the content of the snapshot in `out`; None if it is of another request."""
    manifest = out / "manifest.json"
    if not manifest.is_file():
        return None
    found = decode(manifest.read_text(encoding="utf-8"), dict[str, object])
    wanted = decode(encode(_request_values(request)), dict[str, object])
    if {name: found.get(name) for name in wanted} != wanted:
        return None
    return decode(manifest.read_text(encoding="utf-8"), SnapshotInfo)
