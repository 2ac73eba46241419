"""The values that say where a release comes from: segments, manifests, releases, runs, holds, leases.

Plain values and their JSON; knows nothing of how the ledger keeps them, and loads neither torch nor
numpy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal

from trainer.config import Mode
from trainer.report import PopularItem

FORMAT = 1

Outcome = Literal["published", "refused", "skipped", "failed", "superseded", "held", "abandoned"]
Range = tuple[int, int]  # first and last journal number, both included


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One immutable Parquet file of the journal in the artifact store. `last_at` is the latest event time in it.

    `size_bytes` is what its rows take in memory; 0 when that was not recorded yet.
    """

    name: str
    sha256: str
    first_seq: int
    last_seq: int
    num_events: int
    num_items: int
    last_at: datetime
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to run cycles. `token` grows with every acquisition, so that a late writer is told apart."""

    holder: str
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Publishing is paused until a person resumes it."""

    reason: str
    since: datetime


SwitchKind = Literal["publish", "rollback", "promote", "restore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A change of the live version under way. The greatest epoch rules."""

    version: int
    epoch: int
    kind: SwitchKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What the server ought to do now: `live` is its default version unless a switch is under way. `epoch` counts the switches begun."""

    live: int | None
    switch: Switch | None
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One test of a verdict, or why a run ended as it did; `text` is what people read."""

    name: str
    ok: bool
    text: str
    figure: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The lineage of one archive, stored beside it and in the ledger.

    `target_range` is what this release itself trained on, without `excluded`; None for `items` and
    `baseline`. `parent` is the release whose weights it started from; `supersedes` the one that was
    live when its run began. `anchor` is the last full retrain up the lineage: a full retrain names
    itself, a baseline has none.
    """

    version: int
    mode: Mode
    run_id: int
    parent: int | None
    anchor: int | None
    supersedes: int | None
    target_range: Range | None
    trained_through: int
    items_through: int
    excluded: tuple[Range, ...]
    panel_share: float
    archive: str
    archive_sha256: str
    state: str | None
    bundle_digest: str
    data_digest: str
    code_digest: str
    created_at: datetime
    config: Mapping[str, object]
    figures: Mapping[str, float]
    libraries: Mapping[str, str]
    num_items: int
    rating_scale: tuple[float, float] | None = None
    popular: tuple[PopularItem, ...] = ()
    # id of the secret that keys the panel's hash; empty: a plain hash, from before there was one
    panel_key: str = ""
    bundle_format: int = 0  # of the bundle in the archive; 0: made before this was written down
    state_sha256: str | None = None  # None: no state, or made before this was written down


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An archive that is or was live."""

    version: int
    manifest: Manifest
    published_at: datetime
    rolled_back_at: datetime | None  # the last time that it was rolled back from
    archive_gone: bool = False  # the retention policy deleted the archive


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One turn of the cycle. `outcome` is None while it is under way; `count` counts equal skipped turns kept as one row."""

    run_id: int
    mode: Mode | None  # None for a skipped turn
    outcome: Outcome | None
    reasons: tuple[Reason, ...]
    figures: Mapping[str, float]
    supersedes: int | None
    version: int | None
    started_at: datetime
    ended_at: datetime | None
    count: int = 1
    seconds: Mapping[str, float] = field(default_factory=dict)  # by step, as far as recorded


Kind = Literal["fresh", "panel", "older"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Figures of one model on one set of events: `fresh` is scored before training on them, `panel` and `older` are what the gate judged.

    `version` is the version that was live for `fresh`, and the candidate's (None before it has one)
    for `panel`.
    """

    run_id: int
    kind: Kind
    model: str
    version: int | None
    ndcg: float
    rmse: float | None
    num_users: int
    num_events: int
    at: datetime


def manifest_to_json(manifest: Manifest) -> str:
    """Serialise a manifest; equal manifests give equal bytes."""
    values = {"format": FORMAT, **asdict(manifest), "created_at": manifest.created_at.isoformat()}
    return json.dumps(values, ensure_ascii=False, indent=1, sort_keys=True)


def manifest_from_json(text: str) -> Manifest:
    """Read what `manifest_to_json` wrote; raise ValueError for another format."""
    values = json.loads(text)
    if values.pop("format", None) != FORMAT:
        raise ValueError(f"not a release manifest of format {FORMAT}")
    values["created_at"] = datetime.fromisoformat(values["created_at"])
    for name in ("target_range", "rating_scale"):
        values[name] = tuple(values[name]) if values[name] is not None else None
    values["excluded"] = tuple((first, last) for first, last in values["excluded"])
    values["popular"] = tuple(PopularItem(**item) for item in values["popular"])
    return Manifest(**values)


def reasons_to_json(reasons: Iterable[Reason]) -> str:
    """Serialise reasons."""
    return json.dumps([asdict(reason) for reason in reasons], ensure_ascii=False)


def reasons_from_json(text: str) -> tuple[Reason, ...]:
    """Read what `reasons_to_json` wrote."""
    return tuple(Reason(**reason) for reason in json.loads(text))


def trained_ranges(manifests: Mapping[int, Manifest], version: int) -> tuple[Range, ...]:
    """Return the ranges on which a release and its ancestors trained, oldest first, down to the full retrain at their root."""
    ranges: list[Range] = []
    at: int | None = version
    while at is not None:
        manifest = manifests[at]
        if manifest.target_range is not None:
            ranges.append(manifest.target_range)
        at = manifest.parent
    return tuple(reversed(ranges))


def merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return the same numbers as disjoint ascending ranges."""
    result: list[Range] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return tuple(result)
