"""The values that say where a release comes from: segments, manifests, runs, leases.

Plain values and their JSON. How the ledger stores them is not known here; neither torch nor numpy
is loaded. A `Struct` has a field whose stored key is older than its name: `figure`, `figures`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import msgspec

from trainer.codec import decode, encode
from trainer.config import Mode
from trainer.report import PopularItem

FORMAT = 1

Outcome = Literal["published", "refused", "skipped", "failed", "superseded", "held", "abandoned"]
Range = tuple[int, int]  # first and last journal number, both included


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One immutable Parquet file of the journal in the artifact store.

    `num_items` counts what describes items: their records, and facts. `last_at` is the latest event
    time in it, or the latest time of any record where it has no events.
    `size_bytes` is what its rows take in memory, 0 when that was not recorded yet.
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
class ExploredCount:
    """How many slates of a placement (None: without one) and policy chance had a part in."""

    placement: str | None
    policy: str
    num_slates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlateSegment:
    """One immutable Parquet file of slates in the artifact store.

    `first_at` and `last_at` are the times of its first and last slate; `size_bytes` is what its
    rows take in memory. `explored` counts those in which chance had a part; None if they were not
    counted yet.
    """

    name: str
    sha256: str
    first_at: datetime
    last_at: datetime
    num_slates: int
    size_bytes: int
    explored: tuple[ExploredCount, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to run cycles.

    `token` grows with every acquisition, so that writes of a former holder are recognised.
    """

    holder: str
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Publishing is paused until a person resumes it."""

    reason: str
    since: datetime


Action = Literal["rollback", "promote", "pause", "resume", "promote_trial", "stop_trial"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided about what is live. `version` is that of a rollback or promotion."""

    at: datetime
    action: Action
    version: int | None
    by: str
    why: str | None


SwitchKind = Literal["publish", "rollback", "promote", "restore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A change of the live version that is under way. The greatest epoch wins."""

    version: int
    epoch: int
    kind: SwitchKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What the server should serve now.

    `live` is its default version unless a switch is under way. `epoch` counts the switches begun.
    """

    live: int | None
    switch: Switch | None
    epoch: int


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One test of a verdict, or why a run ended as it did; `text` is what people read."""

    name: str
    ok: bool
    text: str
    value: float | None = msgspec.field(default=None, name="figure")
    low: float | None = None
    high: float | None = None
    limit: float | None = None


class Manifest(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="format",
    tag=FORMAT,
):
    """The lineage of one archive, stored beside it and in the ledger.

    `target_range` is what this release itself trained on, without `excluded`; None for `items` and
    `baseline`. `parent` is the release whose weights it started from; `supersedes` is the one that
    was live when its run began. `anchor` is the last full retrain in its lineage: a full retrain
    names itself, a baseline has none.
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
    metrics: Mapping[str, float] = msgspec.field(name="figures")
    libraries: Mapping[str, str]
    num_items: int
    rating_scale: tuple[float, float] | None = None
    popular: tuple[PopularItem, ...] = ()
    # id of the secret that keys the panel's hash; empty: a plain hash, from before there was one
    panel_key: str = ""
    bundle_format: int = 0  # of the bundle in the archive; 0: made before this was recorded
    state_sha256: str | None = None  # None: no state, or made before this was recorded
    pictures_through: int = 0  # the newest change of the items' pictures that it has
    bases: tuple[str, ...] = ()  # sha256 of the bases and layers that are stored beside it


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
    """One turn of the cycle.

    `outcome` is None while it is under way. `count` is the number of equal skipped turns that are
    stored as one row. `device_s` are the seconds of all devices that trained, and `cost` what they
    cost; None before a training.
    """

    run_id: int
    mode: Mode | None  # None for a skipped turn
    outcome: Outcome | None
    reasons: tuple[Reason, ...]
    metrics: Mapping[str, float]
    supersedes: int | None
    version: int | None
    started_at: datetime
    ended_at: datetime | None
    count: int = 1
    seconds: Mapping[str, float] = field(default_factory=dict)  # by step, as far as recorded
    device_s: float | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What trainings took: the seconds of all devices together, and their cost."""

    device_s: float
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rental:
    """Machines that were asked for around the training of a run.

    `machines` is their URL, `price` that of one machine and hour. They are waited for until
    `joined_at`, and paid until `stopped_at`.
    """

    rental_id: int
    run_id: int
    machines: str
    num_asked: int
    num_joined: int
    price: float
    started_at: datetime
    joined_at: datetime | None
    stopped_at: datetime | None

    def cost(self, now: datetime) -> float:
        """Return what they have cost by now, by the number that was asked for."""
        until = self.stopped_at or now
        hours = max(0.0, (until - self.started_at).total_seconds()) / 3600
        return hours * self.num_asked * self.price


Kind = Literal["fresh", "panel", "older"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The metrics of one model on one set of events.

    `fresh` events are scored before training on them; `panel` and `older` are what the gate judged.
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
    """Return a manifest as JSON; equal manifests give equal bytes."""
    return encode(manifest, indent=1, sort_keys=True)


def manifest_from_json(text: str) -> Manifest:
    """Return the manifest that `manifest_to_json` wrote; raise ValueError for another format."""
    try:
        return decode(text, Manifest)
    except ValueError as error:
        raise ValueError(f"not a release manifest of format {FORMAT}: {error}") from error


def reasons_to_json(reasons: Iterable[Reason]) -> str:
    """Return reasons as JSON."""
    return encode(list(reasons))


def reasons_from_json(text: str) -> tuple[Reason, ...]:
    """Return the reasons that `reasons_to_json` wrote."""
    return decode(text, tuple[Reason, ...])


def trained_ranges(manifests: Mapping[int, Manifest], version: int) -> tuple[Range, ...]:
    """Return the ranges on which a release and its ancestors trained, oldest first.

    The first is that of the full retrain at the root of the lineage.
    """
    ranges: list[Range] = []
    at: int | None = version
    while at is not None:
        manifest = manifests[at]
        if manifest.target_range is not None:
            ranges.append(manifest.target_range)
        at = manifest.parent
    return tuple(reversed(ranges))


def merge_ranges(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return the same numbers as disjoint ascending ranges."""
    result: list[Range] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return tuple(result)
