"""A snapshot: the directory that the trainer reads, made from the journal and copies of two bundles. See docs/architecture.md.

Knows which events are trained, replayed, judged or only looked back on; does not know what is learned from them. The same journal and
request give the same content, hence the same `data_digest`, on any machine.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cron import segments
from cron.config import GateSettings
from cron.journal import Journal
from cron.timeline import Timeline, context_of, in_ranges, newest_of_panel, replay_sample, timeline, with_roles
from trainer import durable_files
from trainer.config import Mode

FORMAT = 1
_COMPUTED = ("data_digest", "num_targets", "num_replay", "num_items", "num_panel_users", "num_panel_events")


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRequest:
    """What a snapshot is to hold. Ranges are journal numbers, both ends included.

    `fresh_range`: events that the live model never trained on, for its progressive figure; left out, an update takes its target range
    and everything else none.
    """

    mode: Mode
    target_range: tuple[int, int] | None
    items_through: int
    panel_share: float
    excluded: tuple[tuple[int, int], ...] = ()
    replay_ratio: float = 0.0
    max_history: int = 100
    seed: int = 0
    min_users: int = 50
    min_events: int = 1000
    live: Path | None = None
    anchor: Path | None = None
    state: Path | None = None
    live_version: int | None = None
    anchor_version: int | None = None
    fresh_range: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotInfo:
    """What a snapshot turned out to hold; panel figures are those of the scored events."""

    data_digest: str
    num_targets: int
    num_replay: int
    num_items: int
    num_panel_users: int
    num_panel_events: int


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
    tables = _event_tables(_events(records, request), request)
    tables["items.parquet"] = _items(records.filter(pc.less_equal(records["seq"], request.items_through)))
    for name, table in tables.items():
        pq.write_table(table, partial / name, compression="zstd")
    for name, source in (("live", request.live), ("anchor", request.anchor)):
        if source is not None:
            shutil.copytree(source, partial / name)
    if request.state is not None:
        (partial / "state").mkdir()
        shutil.copyfile(request.state, partial / "state" / "optimizer.safetensors")

    info = _info(tables)
    (partial / "manifest.json").write_text(json.dumps({**_asked(request), **asdict(info)}, indent=1))
    durable_files.sync_tree(partial)
    durable_files.move(partial, out)
    return info


def in_panel(user_id: str, share: float) -> bool:
    """Tell whether a user's events are kept for judging: the sha256 of the id, as a fraction, lies below the share."""
    return _fraction(user_id) < share


def choose_panel_share(journal: Journal, gate: GateSettings, *, last_seq: int) -> float:
    """Return the smallest share within the settings' bounds whose panel has enough users and events so far; the greatest if none has."""
    events = journal.read(1, last_seq, columns=["kind", "type", "user_id"])
    events = events.filter(pc.and_(pc.equal(events["kind"], "event"), pc.not_equal(events["type"], "impression")))
    counts = events.group_by("user_id").aggregate([([], "count_all")])
    users = sorted(zip(map(_fraction, counts["user_id"].to_pylist()), counts["count_all"].to_pylist(), strict=True))
    num_events = 0
    for num_users, (fraction, count) in enumerate(users, start=1):
        num_events += count
        if num_users >= gate.min_users and num_events >= gate.min_events:
            above = (math.floor(fraction * 10_000) + 1) / 10_000  # the next of four decimals: the last user must lie below it
            return min(max(above, gate.min_panel_share), gate.max_panel_share)
    return gate.max_panel_share


def _fraction(user_id: str) -> float:
    return int.from_bytes(hashlib.sha256(user_id.encode()).digest()) / 2**256


def _events(records: pa.Table, request: SnapshotRequest) -> Timeline:
    """Return all events but the excluded ones: what was excluded as poison is neither trained on nor looked back on nor judged by."""
    events = records.filter(pc.equal(records["kind"], "event"))
    events = events.filter(pa.array(~in_ranges(events["seq"].to_numpy(), request.excluded)))
    return timeline(events, is_panel=lambda user_id: in_panel(user_id, request.panel_share))


def _event_tables(events: Timeline, request: SnapshotRequest) -> dict[str, pa.Table]:
    target_N = np.zeros(len(events.seq_N), np.bool_)
    replay_N = target_N
    if request.target_range is not None:
        target_N = in_ranges(events.seq_N, [request.target_range]) & ~events.panel_N
        num_replay = round(request.replay_ratio * int((target_N & events.lasting_N).sum())) if request.mode == "update" else 0
        read_N = context_of(events, target_N, max_history=request.max_history) if num_replay else replay_N
        replay_N = replay_sample(
            events, first_N=read_N, before=request.target_range[0], size=num_replay, run=request.max_history, seed=request.seed
        )
    trained_context_N = context_of(events, target_N | replay_N, max_history=request.max_history)

    score_N = newest_of_panel(events, min_users=request.min_users, min_events=request.min_events)
    score_context_N = context_of(events, score_N, max_history=request.max_history)

    fresh_range = request.fresh_range or (request.target_range if request.mode == "update" else None)
    fresh_N = in_ranges(events.seq_N, [fresh_range] if fresh_range else []) & events.lasting_N
    fresh_context_N = context_of(events, fresh_N, max_history=request.max_history)
    return {
        "events.parquet": with_roles(events, [("target", target_N), ("replay", replay_N), ("context", trained_context_N)]),
        "panel.parquet": with_roles(events, [("score", score_N), ("context", score_context_N)]),
        "fresh.parquet": with_roles(events, [("score", fresh_N), ("context", fresh_context_N)]),
    }


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
            "attributes": pa.array([json.dumps(one["attributes"], ensure_ascii=False, sort_keys=True) for one in payloads], pa.string()),
            "hidden": pa.array([one["hidden"] for one in payloads], pa.bool_()),
            "at_us": latest["at_us"],
        }
    )


def _info(tables: dict[str, pa.Table]) -> SnapshotInfo:
    trained, panel = tables["events.parquet"], tables["panel.parquet"]
    scored = panel.filter(pc.equal(panel["role"], "score"))
    return SnapshotInfo(
        data_digest=content_digest(tables),
        num_targets=trained.filter(pc.equal(trained["role"], "target")).num_rows,
        num_replay=trained.filter(pc.equal(trained["role"], "replay")).num_rows,
        num_items=tables["items.parquet"].num_rows,
        num_panel_users=pc.count_distinct(scored["user_id"]).as_py(),
        num_panel_events=scored.num_rows,
    )


def content_digest(tables: dict[str, pa.Table]) -> str:
    """Return the sha256 over names, columns and values in order; Parquet's own bytes depend on the library's version and don't count."""
    digest = hashlib.sha256()
    for name in sorted(tables):
        for column_name, column in zip(tables[name].column_names, tables[name].columns, strict=True):
            digest.update(f"{name}/{column_name}/{column.type}/{len(column)};".encode())
            for part in _content(column):
                digest.update(part)
    return digest.hexdigest()


def _content(column: pa.ChunkedArray) -> list[bytes]:
    missing = pc.is_null(column).to_numpy().tobytes()
    if pa.types.is_string(column.type):
        lengths = pc.fill_null(pc.binary_length(column), -1).to_numpy().tobytes()
        return [missing, lengths, "".join(value for value in column.to_pylist() if value is not None).encode()]
    return [missing, pc.fill_null(column, pa.scalar(0).cast(column.type)).to_numpy().tobytes()]


def _asked(request: SnapshotRequest) -> dict[str, object]:
    """Return the request's part of the manifest, as JSON gives it back."""
    values: dict[str, object] = {"format": FORMAT}
    for name, value in asdict(request).items():
        if not isinstance(value, Path) and name not in ("live", "anchor", "state"):
            values[name] = value
    return dict(json.loads(json.dumps(values)))


def _existing(request: SnapshotRequest, out: Path) -> SnapshotInfo | None:
    manifest = out / "manifest.json"
    if not manifest.is_file():
        return None
    values = json.loads(manifest.read_text())
    info = {name: values.pop(name, None) for name in _COMPUTED}
    return SnapshotInfo(**info) if values == _asked(request) else None
