"""The ports: what cron and the gateway use of other machines.

The semantics are written here, and `tests/contracts` runs one suite per port on every back end.
Every method may raise `Unavailable`, after bounded retries where the call is idempotent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NewType, Protocol

from cron.item_counts import Bucket, EventCounts
from cron.known_item import KnownItem
from cron.past_event import EventRow, PastEvent
from cron.server_versions import ServerMemory, ServerVersion
from recommender.records.events import Description, Event, EventLines, LogRecord, Record
from recommender.records.facts import Fact
from recommender.records.slates import Slate
from trainer.config import TrainConfig

Cursor = NewType("Cursor", str)
START = Cursor("")  # before the first record

# of one batch: ordinary records have a quarter of it, and ten times as much as Python objects
BATCH_BYTES = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """The result of an append.

    `accepted` records are durable now. `duplicates` are the positions, in the call, of records
    whose id the log had. A reader at `through` has read the accepted ones; None if that is unknown.
    """

    accepted: int
    duplicates: tuple[int, ...]
    through: Cursor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """An entry of the log that is not a valid record.

    `source` is its place in the log and is unique, `reason` says what is wrong with it, and `raw`
    is the entry itself.
    """

    source: str
    reason: str
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records in log order, the slates and the rejected entries between them, and the cursor.

    Slates are apart, since nothing but the journal's segments of slates reads them.
    """

    records: tuple[Record, ...]
    cursor: Cursor
    rejected: tuple[Rejected, ...] = ()
    slates: tuple[Slate, ...] = ()

    @property
    def num_entries(self) -> int:
        """Return how many entries of the log this batch has."""
        return len(self.records) + len(self.slates) + len(self.rejected)


class EventLog(Protocol):
    """Transport of records: at least once, any order. The journal, not the log, is the truth."""

    def append(self, records: Sequence[LogRecord]) -> Appended:
        """Store records durably.

        The call is all or nothing where the log supports it. Other logs may keep some of the
        records of a call that raised Unavailable. A record whose event id is still in the log, or
        earlier in the call, is a duplicate and is not stored again, where the log can detect that.
        An event and a slate with the same id are two records. Records of one user keep their order.
        """
        ...

    def append_lines(self, events: EventLines) -> Appended:
        """Store events that are serialised already; otherwise like `append`."""
        ...

    def read(self, after: Cursor, limit: int) -> Batch:
        """Return at most `limit` entries after the cursor, slates and rejected ones included.

        At the end of the log the batch is empty and has the same cursor. A batch ends early, after
        at least one record, when its records reach BATCH_BYTES, which bounds a reader's memory. An
        entry that is not a valid record is rejected, at each reading with the same source. A batch
        without records may still have a new cursor, which is kept like any other. Raise LogGap when
        entries after the cursor were trimmed. A log that others trim may begin at START with the
        earliest entry it has.
        """
        ...

    def give_up(self, after: Cursor) -> Cursor:
        """Acknowledge a LogGap and return the cursor to resume from; never raise LogGap.

        No remaining record after the cursor is skipped. Some records before it may be read again,
        or be deleted. Without a gap the cursor is returned unchanged.
        """
        ...

    def backlog(self, after: Cursor) -> int:
        """Count the records after the cursor; above 100,000 the count may be approximate."""
        ...

    def trim(self, *before: Cursor) -> None:
        """Delete the records before the earliest of these cursors; with START, delete nothing.

        The records are in the journal by then.
        """
        ...


class Histories(Protocol):
    """The recent events of every user, seconds old: a projection of the log.

    It can be rebuilt from the journal. It keeps at least the newest 1,000 events of a user, by
    (at, event_id), without impressions and details. It also keeps which items are hidden: the Item
    record with the greatest (at, event_id) decides.
    """

    def append(self, records: Sequence[Record], *, cursor: Cursor | None = None) -> None:
        """Add records; a record that is already there changes nothing.

        Event ids are compared within their user. The follower's cursor, when given, is stored in
        the same transaction.
        """
        ...

    def append_rows(self, rows: Sequence[EventRow], *, through: Cursor | None = None) -> None:
        """Add events that are rows; memory may hold them until the follower gets to `through`."""
        ...

    def recent(self, user_id: str, n: int) -> tuple[Event, ...]:
        """Return the user's newest n events, newest last; an unknown user has none."""
        ...

    def past(self, user_id: str, n: int) -> tuple[PastEvent, ...]:
        """Return what `recent` returns, in a third of the time."""
        ...

    def past_at_once(self, user_id: str, n: int) -> tuple[PastEvent, ...] | None:
        """Return what `past` returns, in less than a millisecond; None where that would block.

        It is for an event loop. The answer is None when the store needs a network, is locked, or
        was slow lately: then call `past` in a thread.
        """
        ...

    def forget(self, user_id: str, *, at: datetime) -> datetime:
        """Delete everything about a user, and return the time up to which events stay out.

        That is the latest of `at`, the newest deleted event (a fast clock may have put it after
        `at`), and the result of an earlier call. Older events that the follower or a rebuild brings
        later are not stored.
        """
        ...

    def forgotten(self) -> dict[str, datetime]:
        """Return, by user key, the time up to which each forgotten user's events stay out.

        User keys are made by `cron.user_keys`; no ids are kept.
        """
        ...

    def keep_out(self, forgotten: Mapping[str, datetime]) -> None:
        """Keep out the events of forgotten users up to these times, and delete nothing.

        A time never moves back.
        """
        ...

    def hidden(self) -> frozenset[str]:
        """Return the ids of the items that must not be recommended now."""
        ...

    def hidden_among(self, item_ids: Sequence[str]) -> frozenset[str]:
        """Return those of the ids, at most some thousands, that must not be recommended now."""
        ...

    def hidden_at_once(self, item_ids: Sequence[str]) -> frozenset[str] | None:
        """Return what `hidden_among` returns; None where that would block, as in `past_at_once`."""
        ...

    def cursor(self) -> Cursor:
        """Return the follower's place in the log; START when empty."""
        ...

    def clear(self) -> None:
        """Delete everything, cursor included, before a rebuild; forgotten users stay forgotten."""
        ...

    def close(self) -> None:
        """Store what is in memory alone, then release what is open."""
        ...


class ItemRecords(Protocol):
    """The newest record of every item and fact, and how often items had events lately.

    It is a projection of the log, seconds old, which can be rebuilt from the journal. The record
    with the greatest (at, event_id) counts. A deleted item cannot be read, nor a withdrawn fact,
    until a later record brings it back. The follower alone counts events, each record of the log
    once; an event sent again after it was collected is counted again.
    """

    def append(self, records: Sequence[Description]) -> None:
        """Add records, as the gateway does; a record that is already there changes nothing."""
        ...

    def follow(
        self, records: Sequence[Description], counts: EventCounts, *, after: Cursor, cursor: Cursor
    ) -> bool:
        """Add records and counts, and move the follower's cursor from `after`, in one transaction.

        When it is at `cursor` already, do nothing and return True: this call was made before. At
        another place, do nothing and return False. Counts of buckets not kept longer are deleted.
        """
        ...

    def find(self, item_ids: Sequence[str]) -> Mapping[str, KnownItem]:
        """Return the items with these ids, at most some thousands; unknown ones are left out."""
        ...

    def revisions_at_once(self, item_ids: Sequence[str]) -> Mapping[str, str] | None:
        """Return the `KnownItem.revision` of what `find` returns; None where that would block."""
        ...

    def facts(
        self, heads: Sequence[str], *, relation: str | None = None, limit: int
    ) -> Mapping[str, tuple[Fact, ...]]:
        """Return the first facts of these heads, by relation and tail; heads without any are out.

        `relation` selects those of one. `limit` is for each head, of at most some thousands.
        """
        ...

    def by_id(self, *, after: str, limit: int) -> tuple[KnownItem, ...]:
        """Return the next items after an id, by id; hidden ones are included."""
        ...

    def newest(self, *, before: tuple[datetime, str] | None, limit: int) -> tuple[KnownItem, ...]:
        """Return the next items before a (first time, id), newest first; hidden ones included."""
        ...

    def most_counted(self, buckets: Sequence[Bucket], *, limit: int) -> tuple[tuple[str, int], ...]:
        """Return the ids with most events in some buckets and their numbers, the largest first.

        Ties are in order of id, as far as the limit leaves both in.
        """
        ...

    def sums(self, item_ids: Sequence[str], buckets: Sequence[Bucket]) -> Mapping[str, int]:
        """Return the number of events in some buckets, of the ids (or ALL_ITEMS) with any."""
        ...

    def cursor(self) -> Cursor:
        """Return the follower's place in the log; START when empty."""
        ...

    def clear(self) -> Cursor:
        """Delete everything before a rebuild; store its new mark as the cursor, and return it."""
        ...


class ArtifactStore(Protocol):
    """Immutable named files: archives, optimiser states, manifests, journal segments.

    A name may contain `/` and is never absolute.
    """

    def put(self, name: str, file: Path) -> str:
        """Store a file, verify it, and return its sha256 (hex).

        Storing the same bytes again is allowed; other bytes raise ArtifactConflict.
        """
        ...

    def fetch(self, name: str, into: Path, *, sha256: str | None = None) -> None:
        """Write the artifact to the path `into`, atomically.

        The bytes are verified against the sha256 recorded at `put`, and that one against `sha256`:
        the store keeps its record next to the bytes, so anyone who can change one can change both.
        Raise ArtifactMissing or ArtifactCorrupt.
        """
        ...

    def url(self, name: str, *, sha256: str | None = None) -> str:
        """Return the argument of TorchServe's register call for this artifact.

        It is a bare file name in TorchServe's model store, or a URL that is valid for minutes. The
        stored bytes are verified first, as by `fetch`. Raise ArtifactMissing or ArtifactCorrupt.
        """
        ...

    def folder(self) -> Path | None:
        """Return the absolute path where model servers read artifacts by name, or None."""
        ...

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Return all names that begin with a prefix, sorted."""
        ...

    def delete(self, name: str) -> None:
        """Delete an artifact; a missing one is not an error."""
        ...


class TrainLauncher(Protocol):
    """Start the trainer somewhere and wait for its candidate."""

    def train(self, snapshot: Path, config: TrainConfig, out: Path, *, limit_s: float) -> Path:
        """Train and return the candidate folder `out`.

        Called again after a crash, it resumes, or returns a candidate that is complete. Raise
        TrainingFailed, or TrainerDied when nothing suggests a fault of the input. The child's
        process group is ended at the wall limit and when this process dies.
        """
        ...

    def stop(self) -> None:
        """End the current training and start no other; called from another thread.

        `train` raises Stopped, and a checkpoint is kept.
        """
        ...

    def cancel(self) -> None:
        """End the current training as `stop` does, or else the next one; later ones may start."""
        ...


class ModelServer(Protocol):
    """TorchServe, or a server like it: one node, or several that serve the same versions.

    With several nodes, a call is made on each node that answers. Nodes that are away are left out,
    and Unavailable means that all of them are. A node without a version is not in service for it:
    callers that want predictions ask by version and use another node.
    """

    def nodes(self) -> Mapping[str, ModelServer]:
        """Return the nodes by address, unreachable ones included; a single node returns itself."""
        ...

    def register(self, version: int, url: str) -> None:
        """Register a version and wait until its workers are READY; raise ServerRefused.

        A version that is already registered and ready is accepted. When another process is loading
        it, wait for its start. A version without workers is deleted and registered again. When one
        of several nodes refuses, the nodes that registered the version in this call unregister it.
        """
        ...

    def predict(self, version: int | None, body: object, *, timeout_s: float) -> object:
        """Answer a JSON body by a version or the default; raise ServerRefused unless it is 200."""
        ...

    def set_live(self, version: int) -> None:
        """Make a registered version the default.

        Raise ServerRefused without a READY worker: calls would be a 503. Of several nodes, those
        with it READY are called, and one is enough: the others are not in service for it.
        """
        ...

    def live(self) -> int | None:
        """Return the default version; None when there is none, or several nodes disagree."""
        ...

    def versions(self) -> tuple[ServerVersion, ...]:
        """Return all registered versions, ascending.

        With several nodes: the ready workers of the node that has the fewest, the requests of all.
        """
        ...

    def memory(self) -> ServerMemory | None:
        """Return the memory of the node with the least left; None if none is live or reports."""
        ...

    def unregister(self, version: int) -> None:
        """Drain (pending requests 0, then one second), then delete the version.

        An unknown version is not an error. Raise ServerRefused for the default version.
        """
        ...

    def unregister_all(self) -> None:
        """Drain and delete every version, the default last: nobody is answered any more."""
        ...
