"""The snapshot: a folder for the trainer, made from the journal and links to bundles.

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
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cron.journal import segments
from cron.journal.journal import Journal
from cron.snapshot.choice import Chosen, choose
from cron.snapshot.pools import SIZES, PoolSizes
from cron.snapshot.request import SnapshotRequest
from cron.snapshot.shift import Shift
from recommender.bases import CONTENT, bases_of, link_or_copy, link_tree
from trainer.codec import decode, encode
from trainer.machine import durable_files

FORMAT = 2


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


def build_snapshot(
    journal: Journal, request: SnapshotRequest, out: Path, *, sizes: PoolSizes = SIZES
) -> SnapshotInfo:
    """Write a complete snapshot to the folder `out`.

    A snapshot that is already there for the same request is kept. Raise Unavailable,
    ArtifactMissing or ArtifactCorrupt.
    """
    existing = _existing(request, out)
    if existing is not None:
        return existing
    partial = out.with_name(out.name + ".partial")
    for leftover in (partial, out):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)

    chosen = choose(journal, request, sizes)
    tables = {f"{name}.parquet": table for name, table in chosen.tables.items()}
    tables["items.parquet"] = _items(journal, request, sizes)
    for name, table in tables.items():
        pq.write_table(table, partial / name, compression="zstd")
    for name, source in (("live", request.live), ("anchor", request.anchor)):
        if source is not None:
            link_tree(source, partial / name)
    if request.state is not None:
        link_or_copy(request.state, partial / "state" / "optimizer.safetensors")
        for digest in bases_of(request.state).values():
            base = Path(CONTENT) / digest
            link_or_copy(request.state.parent / base, partial / "state" / base)

    info = _info(tables, chosen)
    manifest = {**_request_values(request), **msgspec.to_builtins(info)}
    (partial / "manifest.json").write_text(encode(manifest, indent=1), encoding="utf-8")
    durable_files.sync_tree(partial)
    durable_files.move(partial, out)
    return info


def _items(journal: Journal, request: SnapshotRequest, sizes: PoolSizes) -> pa.Table:
    """Return the latest record of each item, or of each that is new to the parent.

    Excluded ranges are included here: the shop corrects an item by sending it again.
    """
    through = request.items_through
    is_whole = through - journal.first_seq < sizes.whole_up_to
    records = journal.read(1 if is_whole else request.items_after + 1, through)
    latest = segments.latest_items(records)
    if not is_whole and request.items_after:
        keys = journal.by_user.records_of_items(latest["item_id"].to_pylist(), through=through)
        latest = latest.filter(pc.is_in(latest["seq"], value_set=_latest_numbers(keys)))
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


def _latest_numbers(records: pa.Table) -> pa.Array:
    """Return the number of each item's record with the greatest (at, event_id)."""
    records = records.append_column("kind", pa.repeat("item", records.num_rows))
    return segments.latest_items(records)["seq"].combine_chunks()


def _info(tables: dict[str, pa.Table], chosen: Chosen) -> SnapshotInfo:
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
        "items_after": request.items_after,
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
