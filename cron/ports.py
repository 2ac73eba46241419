"""The ports: what cron and the gateway ask of other machines. Semantics are here; `tests/contracts` holds every back end to them.

Every method may raise `Unavailable`, after bounded retries where the call is idempotent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NewType, Protocol

from recommender.events import Event, Record
from trainer.config import TrainConfig

Cursor = NewType("Cursor", str)
START = Cursor("")  # before the first record
BATCH_BYTES = (
    8 << 20
)  # of one batch; a batch of ordinary records has a quarter of it, and as objects it takes ten times as much


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What an append did: how many records are now durable, and the positions of those whose event id the log already held."""

    accepted: int
    duplicates: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """What somebody else put into the log and is no record: where it lies there (no two share a `source`), the reason, what it is."""

    source: str
    reason: str
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records in log order, what is none between them, and the cursor after the last of both."""

    records: tuple[Record, ...]
    cursor: Cursor
    rejected: tuple[Rejected, ...] = ()


class EventLog(Protocol):
    """Transport of records: at least once, any order. The journal, not the log, is the truth."""

    def append(self, records: Sequence[Record]) -> Appended:
        """Store records durably, all or none where the log can; one that can't may keep some of a call that raised Unavailable.

        A record whose event id is still in the log (or earlier in the call) is a duplicate and not
        stored again, where the log can tell. Records of one user keep their order.
        """
        ...

    def read(self, after: Cursor, limit: int) -> Batch:
        """Return at most `limit` records after the cursor, rejected ones counted; nothing left gives an empty batch with the same cursor.

        A batch ends early, after one record at least, when its records come to BATCH_BYTES: what a
        reader holds does not depend on what others sent. An entry that is not a valid record is
        rejected, at each reading with the same source. A batch without records may still have a new
        cursor, to be kept like any. Raise LogGap when some after the cursor were trimmed away. A
        log that others trim may begin at START with the earliest that it has.
        """
        ...

    def give_up(self, after: Cursor) -> Cursor:
        """Accept that what a reader at this cursor is told of as a LogGap is gone, and return where it goes on; raise no LogGap.

        No record that is left after the cursor is passed by; some before it may come again, or be
        forgotten. Nothing gone: the same cursor.
        """
        ...

    def backlog(self, after: Cursor) -> int:
        """Count the records after the cursor; back ends may approximate above 100,000."""
        ...

    def trim(self, *before: Cursor) -> None:
        """Forget the records that lie before every one of these cursors; they are in the journal by now. With START among them: nothing."""
        ...


class Histories(Protocol):
    """Who did what lately, seconds old: a projection of the log that can be rebuilt from the journal.

    Keeps at least the newest 1,000 events a user, ordered by (at, event_id); impressions are not
    history and are dropped. Also keeps which items are hidden (the Item record with the greatest
    (at, event_id) decides).
    """

    def append(self, records: Sequence[Record], *, cursor: Cursor | None = None) -> None:
        """Add records; one already there changes nothing. A cursor (the follower's) becomes the stored one in the same transaction."""
        ...

    def recent(self, user_id: str, n: int) -> tuple[Event, ...]:
        """Return the user's newest n events, newest last; an unknown user has none."""
        ...

    def forget(self, user_id: str, *, at: datetime) -> datetime:
        """Delete everything known about a user; return up to when their events stay out.

        That is `at`, or the newest event that was deleted, which a fast clock may have put after
        it, or where an earlier call put it, whichever is latest. Follower and rebuild may bring
        what lies before: it stays out.
        """
        ...

    def forgotten(self) -> dict[str, datetime]:
        """Return up to when each forgotten user's events stay out, by user key (`cron.user_keys`); no ids are kept."""
        ...

    def keep_out(self, forgotten: Mapping[str, datetime]) -> None:
        """Keep out what forgotten users did up to then, as `forget` does, and delete nothing; a mark never moves back."""
        ...

    def hidden(self) -> frozenset[str]:
        """Return the ids of the items that must not be recommended now."""
        ...

    def hidden_among(self, item_ids: Sequence[str]) -> frozenset[str]:
        """Return those of the ids, some thousands at most, that must not be recommended now."""
        ...

    def cursor(self) -> Cursor:
        """Return the follower's place in the log; START when empty."""
        ...

    def clear(self) -> None:
        """Delete everything, cursor included, before a rebuild; who was forgotten stays forgotten."""
        ...


class ArtifactStore(Protocol):
    """Immutable named files: archives, optimiser states, manifests, journal segments. A name may hold `/` and is never absolute."""

    def put(self, name: str, file: Path) -> str:
        """Store a file, verify it, return its sha256 (hex). The same bytes again are fine; other bytes raise ArtifactConflict."""
        ...

    def fetch(self, name: str, into: Path, *, sha256: str | None = None) -> None:
        """Write the artifact to the path `into`, atomically; raise ArtifactMissing or ArtifactCorrupt.

        The bytes are verified against the sha256 that was recorded at `put`, and that against
        `sha256`: the store's own record lies beside the bytes, so whoever can change one can change
        both.
        """
        ...

    def url(self, name: str, *, sha256: str | None = None) -> str:
        """Return what TorchServe's register call takes for this artifact: a bare file name in its model store, or a URL.

        The stored bytes are verified first, as by `fetch`. A URL holds for minutes. Raise
        ArtifactMissing or ArtifactCorrupt.
        """
        ...

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Return all names that begin with a prefix, sorted."""
        ...

    def delete(self, name: str) -> None:
        """Delete an artifact; one that is not there is fine."""
        ...


class TrainLauncher(Protocol):
    """Start the trainer somewhere and wait for its candidate."""

    def train(self, snapshot: Path, config: TrainConfig, out: Path, *, limit_s: float) -> Path:
        """Train and return the candidate folder `out`; called again after a crash it resumes or returns what is complete.

        Raise TrainingFailed, or its TrainerDied when nothing is known against the input. The child
        is ended, as a group, at the wall limit and when this process dies.
        """
        ...

    def stop(self) -> None:
        """End the training under way and start none after, from another thread; `train` raises Stopped, and a checkpoint stays."""
        ...

    def cancel(self) -> None:
        """End the training under way as `stop` does, or the next one at its start when none is.

        Those after it may start.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerVersion:
    """One registered version: workers that are READY, the least number wanted, requests queued or in flight.

    `is_starting`: none is READY, and one was begun so lately that its first start may be under way.
    """

    version: int
    ready_workers: int
    min_workers: int
    pending_requests: int
    is_starting: bool = False

    @property
    def ready(self) -> bool:
        """Tell whether the version can take traffic."""
        return self.ready_workers >= max(1, self.min_workers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMemory:
    """What a worker of the live version occupies on a node, and what is left there."""

    taken_bytes: int
    left_bytes: int

    @property
    def has_room(self) -> bool:
        """Tell whether a second version of that size fits."""
        return self.left_bytes >= self.taken_bytes


class ModelServer(Protocol):
    """TorchServe, or something that serves like it: one node, or several that hold the same.

    With several, a call is made on each node that answers; those that are away are left out, and
    Unavailable means all of them. A node that lacks a version is not in service for it; who calls
    for predictions asks by version and takes another node.
    """

    def nodes(self) -> Mapping[str, ModelServer]:
        """Return the single nodes by address, those that are away too; a single one returns itself."""
        ...

    def register(self, version: int, url: str) -> None:
        """Register a version and wait until its workers are READY; raise ServerRefused.

        Already registered and ready is fine, and so is one that another process is loading: its
        start is waited for. A zombie is deleted and tried again. When one of several nodes refuses,
        those that took the version in this call let go of it.
        """
        ...

    def predict(self, version: int | None, body: object, *, timeout_s: float) -> object:
        """Answer one JSON body by a version, or by the default; raise ServerRefused with the status for anything but 200."""
        ...

    def set_live(self, version: int) -> None:
        """Make a registered version the default; raise ServerRefused when it has no READY worker (every default call would be 503).

        Of several nodes those that have it READY are told, and one of them is enough: the others
        are not in service for it.
        """
        ...

    def live(self) -> int | None:
        """Return the default version; None when nothing is registered, or when several nodes disagree."""
        ...

    def versions(self) -> tuple[ServerVersion, ...]:
        """Return all registered versions, ascending. Over several nodes: ready workers of the node that has least, requests of all."""
        ...

    def memory(self) -> ServerMemory | None:
        """Return a node's memory, of several nodes the one's that has least left; None when nothing is live or none can tell."""
        ...

    def unregister(self, version: int) -> None:
        """Drain (pending requests 0, then one second), then delete; unknown is fine. Refuses the default."""
        ...
