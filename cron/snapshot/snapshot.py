"""The snapshot: a folder for the trainer, made from the journal and links to bundles.

Its files are described in docs/architecture.md. Events are trained, replayed, judged or read as
context. The same journal and request give the same content, hence the same `data_digest`, on any
machine.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cron.journal import segments
from cron.journal.journal import Journal
from cron.placement import placement_json
from cron.snapshot.choice import Chosen, choose_of_all, choose_of_parts
from cron.snapshot.fact_rows import ALL_FACTS, CHANGED_FACTS, add_facts
from cron.snapshot.item_pictures import PictureSource, add_pictures
from cron.snapshot.judged_lists import QUESTIONS, SLATES, judged_lists
from cron.snapshot.pools import SIZES, JournalParts, PoolSizes
from cron.snapshot.request import JudgedLists, SnapshotRequest
from cron.snapshot.served_lists import served_lists
from cron.snapshot.shift import Shift
from cron.snapshot.streamed_choice import choose_by_users
from cron.snapshot.tables import SnapshotTables
from recommender.arrays.bases import CONTENT, link_or_copy, link_tree, needed_by
from trainer.codec import decode, encode
from trainer.machine import durable_files

FORMAT = 2
_ITEMS_AT_ONCE = 65_536  # as objects they take a kilobyte each


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotInfo:
    """The measured content of a snapshot.

    `num_panel_events` and `num_panel_users` count the scored choices and their users,
    `num_older_events` those among the older events. `over_user_limit` and `over_item_limit` count
    events of the target range that are not trained on. `shift` is None where there are too few
    events. `num_slates` are the served lists to learn from, `num_list_questions` those that the
    candidate's lists are evaluated on, `num_facts` the facts that the snapshot has.
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
    num_slates: int = 0
    num_facts: int = 0
    num_list_questions: int = 0


def build_snapshot(
    journal: Journal,
    request: SnapshotRequest,
    out: Path,
    *,
    sizes: PoolSizes = SIZES,
    pictures: PictureSource | None = None,
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

    with SnapshotTables(partial) as tables:
        chosen = _choose(journal, request, tables, partial / "parts", sizes)
        _add_items(journal, request, tables, sizes)
        num_slates = _add_slates(journal, request, tables)
        if request.pictures_after is not None and pictures is not None:
            add_pictures(pictures, tables, partial, after=request.pictures_after)
        num_questions = _add_judged_lists(journal, request, tables)
    for name, source in (("live", request.live), ("anchor", request.anchor)):
        if source is not None:
            link_tree(source, partial / name)
    if request.state is not None:
        link_or_copy(request.state, partial / "state" / "optimizer.safetensors")
        for digest in needed_by(request.state):
            base = Path(CONTENT) / digest
            link_or_copy(request.state.parent / base, partial / "state" / base)

    info = replace(_info(tables, chosen), num_slates=num_slates, num_list_questions=num_questions)
    manifest = {**_request_values(request), **msgspec.to_builtins(info)}
    (partial / "manifest.json").write_text(encode(manifest, indent=1), encoding="utf-8")
    durable_files.sync_tree(partial)
    durable_files.move(partial, out)
    return info


def _choose(
    journal: Journal,
    request: SnapshotRequest,
    tables: SnapshotTables,
    folder: Path,
    sizes: PoolSizes,
) -> Chosen:
    """Write the events; `folder` is made for temporary files and deleted."""
    parts = JournalParts.of(
        journal,
        request.through,
        excluded=request.excluded,
        is_panel=request.is_panel,
        sizes=sizes,
    )
    if parts.is_small:
        return choose_of_all(parts, request, tables)
    if request.mode in ("update", "items"):
        return choose_of_parts(parts, request, tables)
    folder.mkdir()
    chosen = choose_by_users(parts, request, tables, folder)
    folder.rmdir()
    return chosen


def _add_items(
    journal: Journal, request: SnapshotRequest, tables: SnapshotTables, sizes: PoolSizes
) -> None:
    """Write the latest record of each item, or of each that is new to the parent.

    Excluded ranges are included here: the shop corrects an item by sending it again.
    """
    through = request.items_through
    is_whole = through - journal.first_seq < sizes.whole_up_to
    records = journal.read_items(1 if is_whole else request.items_after + 1, through)
    latest = segments.latest_items(records)
    if not is_whole and request.items_after:
        keys = journal.by_user.records_of_items(latest["item_id"].to_pylist(), through=through)
        latest = latest.filter(pc.is_in(latest["seq"], value_set=_latest_numbers(keys)))
    has_no_parent = is_whole or not request.items_after
    most = 0 if has_no_parent else sizes.changed_facts
    add_facts(journal, records, through, tables, most=most)
    tables.add("items", _item_rows(latest.slice(0, 0)))
    for first in range(0, latest.num_rows, _ITEMS_AT_ONCE):
        tables.add("items", _item_rows(latest.slice(first, _ITEMS_AT_ONCE)))


def _item_rows(latest: pa.Table) -> pa.Table:
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


def _add_slates(journal: Journal, request: SnapshotRequest, tables: SnapshotTables) -> int:
    """Write the served lists to learn from, if any are wanted, and return how many there are."""
    if request.reward is None or request.target_range is None:
        return 0
    rows = served_lists(
        journal,
        request.target_range,
        excluded=request.excluded,
        reward=request.reward,
        is_panel=request.is_panel,
    )
    tables.add("slates", rows)
    return pc.count_distinct(rows["recommendation_id"]).as_py()  # type: ignore[no-any-return]


def _add_judged_lists(journal: Journal, request: SnapshotRequest, tables: SnapshotTables) -> int:
    """Write the lists to evaluate a candidate on, and return how many questions they are."""
    if request.judged_lists is None:
        return 0
    slates, questions = judged_lists(journal, request.judged_lists, request)
    tables.add(SLATES, slates)
    tables.add(QUESTIONS, questions)
    return tables.num_rows(QUESTIONS)


def _latest_numbers(records: pa.Table) -> pa.Array:
    """Return the number of each item's record with the greatest (at, event_id)."""
    records = records.append_column("kind", pa.repeat("item", records.num_rows))
    return segments.latest_items(records)["seq"].combine_chunks()


def _info(tables: SnapshotTables, chosen: Chosen) -> SnapshotInfo:
    return SnapshotInfo(
        data_digest=tables.digest(),
        num_targets=tables.num_in_role("events", "target"),
        num_replay=tables.num_in_role("events", "replay"),
        num_items=tables.num_rows("items"),
        num_facts=tables.num_rows(ALL_FACTS) + tables.num_rows(CHANGED_FACTS),
        num_panel_users=chosen.scored.num_users,
        num_panel_events=chosen.scored.num_events,
        num_older_events=chosen.scored.num_older,
        over_user_limit=chosen.over_user,
        over_item_limit=chosen.over_item,
        shift=chosen.shift,
    )


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
        "reward": msgspec.to_builtins(request.reward),
        "pictures_after": request.pictures_after,
        "judged_lists": _judged_values(request.judged_lists),
    }


def _judged_values(wanted: JudgedLists | None) -> dict[str, object] | None:
    if wanted is None:
        return None
    return {
        "since": wanted.since.isoformat(),
        "max_lists": wanted.max_lists,
        "reward": msgspec.to_builtins(wanted.reward),
        "placements": {name: placement_json(one) for name, one in wanted.placements.items()},
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
