"""A snapshot: the directory that the trainer reads, made from the journal and copies of two bundles. See docs/architecture.md.

Knows which events are trained, replayed, judged or only looked back on; does not know what is
learned from them. The same journal and request give the same content, hence the same `data_digest`,
on any machine.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

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
from trainer import durable_files
from trainer.config import Mode

FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRequest:
    """What a snapshot is to hold. Ranges are journal numbers, both ends included.

    `panel`: whose events are kept out of training, now and in the updates to come. `judged`: whose
    events are scored, when those are not the same; they are kept out of this training too. The
    compared models were trained on none of them. `older_before`: panel events below this number are
    scored by themselves; None scores none. `fresh_range`: events that the live model never trained
    on, for its progressive figure; left out, an update takes its target range and everything else
    none. `shift_range`: events whose mix is compared with that of the events before them.
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
    def scored(self) -> Panel:
        """Return whose events are scored."""
        return self.judged or self.panel


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotInfo:
    """What a snapshot turned out to hold.

    `num_panel_users` and `num_panel_events` are the choices that are scored, and their users;
    `num_older_events` of the older ones. `over_user_limit` and `over_item_limit` count events of
    the target range that are not trained on. `shift` is None where it can't be told.
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
    """Write a snapshot to the folder `out`, whole or not at all; one that is there already for the same request is kept."""
    known = _existing(request, out)
    if known is not None:
        return known
    partial = out.with_name(out.name + ".partial")
    for leftover in (partial, out):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)

    through = max(request.items_through, request.target_range[1] if request.target_range else 0)
    records = journal.read(1, through)
    events = _events(records, request)
    chosen = _chosen(events, request)
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
    (partial / "manifest.json").write_text(
        json.dumps({**_asked(request), **asdict(info)}, indent=1)
    )
    durable_files.sync_tree(partial)
    durable_files.move(partial, out)
    return info


def _events(records: pa.Table, request: SnapshotRequest) -> Timeline:
    """Return all events but the excluded ones: what was excluded as poison is neither trained on nor looked back on nor judged by."""
    events = records.filter(pc.equal(records["kind"], "event"))
    events = events.filter(pa.array(~in_ranges(events["seq"].to_numpy(), request.excluded)))
    return timeline(
        events,
        is_panel=lambda user_id: request.panel.holds(user_id) or request.scored.holds(user_id),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """The event files, and what was counted on the way."""

    tables: dict[str, pa.Table]
    judged: tuple[int, int]  # users and choices that are scored
    num_older: int
    kept: Kept
    shift: Shift | None


def _chosen(events: Timeline, request: SnapshotRequest) -> _Chosen:
    kept = _targets(events, request)
    replay_N = _replay(events, request, kept.mask_N)
    positive_N = positive_of(events, request.positive_types, request.positive_rating)
    judged_N = events.by_user(request.scored.holds) > 0
    score_N = newest_judged(events, positive_N, judged_N, request.need)
    older = events.before(request.older_before or 0)
    is_older_N = events.seq_N < (request.older_before or 0)
    older_N = older_judged(older, positive_N[is_older_N], judged_N[is_older_N], request.need)

    fresh_range = request.fresh_range or (
        request.target_range if request.mode == "update" else None
    )
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
    """Draw older events for an update, within the same limits: what one sender flooded the journal with is not replayed either."""
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
    """Return the events with these roles, and what their users did before each of them."""
    chosen_N = np.logical_or.reduce(list(roles.values()))
    context_N = context_of(events, chosen_N, max_history=request.max_history)
    return with_roles(events, [*roles.items(), ("context", context_N)])


def _items(records: pa.Table) -> pa.Table:
    """Return the latest record of each item. Excluded ranges count here: an item is the shop's word, replaced by saying it again."""
    latest = segments.latest_items(records)
    payloads = [json.loads(payload) for payload in latest["payload"].to_pylist()]
    return pa.table(
        {
            "seq": latest["seq"],
            "item_id": latest["item_id"],
            "title": pa.array([one["title"] for one in payloads], pa.string()),
            "text": pa.array([one["text"] for one in payloads], pa.string()),
            "attributes": pa.array(
                [
                    json.dumps(one["attributes"], ensure_ascii=False, sort_keys=True)
                    for one in payloads
                ],
                pa.string(),
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
    """Return the sha256 over names, columns and values in order; Parquet's own bytes depend on the library's version and don't count."""
    digest = hashlib.sha256()
    for name in sorted(tables):
        for column_name, column in zip(
            tables[name].column_names, tables[name].columns, strict=True
        ):
            digest.update(f"{name}/{column_name}/{column.type}/{len(column)};".encode())
            for part in _content(column):
                digest.update(part)
    return digest.hexdigest()


def _content(column: pa.ChunkedArray) -> list[bytes]:
    missing = pc.is_null(column).to_numpy().tobytes()
    if pa.types.is_string(column.type):
        lengths = pc.fill_null(pc.binary_length(column), -1).to_numpy().tobytes()
        return [
            missing,
            lengths,
            "".join(value for value in column.to_pylist() if value is not None).encode(),
        ]
    return [missing, pc.fill_null(column, pa.scalar(0).cast(column.type)).to_numpy().tobytes()]


def _asked(request: SnapshotRequest) -> dict[str, object]:
    """Return the request's part of the manifest, as JSON gives it back. Of a panel's secret there is only the id."""
    values: dict[str, object] = {"format": FORMAT}
    for name in request.__dataclass_fields__:
        value = getattr(request, name)
        if name in ("panel", "judged"):
            values |= {f"{name}_share": value and value.share, f"{name}_key": value and value.key}
        elif name in ("need", "limits"):
            values |= asdict(value)
        elif name not in ("live", "anchor", "state"):
            values[name] = value
    return dict(json.loads(json.dumps(values)))


def _existing(request: SnapshotRequest, out: Path) -> SnapshotInfo | None:
    manifest = out / "manifest.json"
    if not manifest.is_file():
        return None
    values = json.loads(manifest.read_text())
    info = {name: values.pop(name, None) for name in SnapshotInfo.__dataclass_fields__}
    if values != _asked(request):
        return None
    return SnapshotInfo(**{**info, "shift": Shift(**info["shift"]) if info["shift"] else None})
