"""Files of segments: in the artifact store, with copies in a local folder.

The ledger decides which of them count. A segment's name carries its digest, so a segment that was
stored and never committed collides with nothing. It also carries the token of its writer's lease,
so nobody else ever commits the same file, and the holder of a later lease may delete it.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cron.epoch import moment
from cron.errors import ArtifactCorrupt, ArtifactMissing, StoreError
from cron.journal import segments
from cron.lineage import Lease, Range, Segment
from cron.local.disk_errors import translate_os_errors
from cron.ports import ArtifactStore
from trainer.machine.durable_files import sha256_of

PREFIX = "journal/"
COPY_MIN_AGE_S = 3600.0
_COMPACTED = "-compacted"
_NAME = re.compile(r"journal/(\d{12})-(\d{12})-([0-9a-f]{12})(?:-t(\d+))?(?:-compacted)?\.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentName:
    """The content of a segment's name.

    `digest` is the first 12 characters of its sha256; `token` is that of its writer's lease, 0 in
    names from before tokens.
    """

    name: str
    covers: Range
    digest: str
    token: int


class SegmentFiles:
    """The segments of one artifact store; `folder` holds copies and may be emptied."""

    def __init__(self, artifacts: ArtifactStore, folder: Path) -> None:
        self._artifacts = artifacts
        self._folder = folder

    def put(
        self, table: pa.Table, *, covers: Range, lease: Lease, compacted: bool = False
    ) -> Segment:
        """Store rows as a segment for a range of numbers; it counts once it is committed."""
        with translate_os_errors("the journal's folder", self._folder):
            name, sha256 = self._put(table, covers, lease, kind=_COMPACTED if compacted else "")
        return _segment(name, sha256, covers, table)

    def describe(self, name: SegmentName) -> Segment:
        """Return the ledger's entry for a stored file.

        Raise ArtifactMissing, ArtifactCorrupt or StoreError.
        """
        path = self._copy_of(name.name)
        with translate_os_errors("the journal's folder", self._folder):
            self._artifacts.fetch(name.name, path)
            sha256 = sha256_of(path)
            if not sha256.startswith(name.digest):
                path.unlink()
                raise ArtifactCorrupt(name.name, expected=name.digest, found=sha256)
            table = segments.read(path)
        bounds = pc.min_max(table["seq"]).as_py()
        if table.num_rows == 0 or bounds["min"] < name.covers[0] or bounds["max"] > name.covers[1]:
            raise StoreError(
                f"segment {name.name}: its numbers differ from its name; restore it from a backup"
            )
        return _segment(name.name, sha256, name.covers, table)

    def _put(self, table: pa.Table, covers: Range, lease: Lease, *, kind: str) -> tuple[str, str]:
        """Write a segment's file and store it; return its name and sha256."""
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f".unfinished-{secrets.token_hex(4)}"
        try:
            segments.write(table, unfinished)
            sha256 = sha256_of(unfinished)
            numbers = f"{covers[0]:012}-{covers[1]:012}"
            name = f"{PREFIX}{numbers}-{sha256[:12]}-t{lease.token}{kind}.parquet"
            self._artifacts.put(name, unfinished)
            # A copy of what is stored: it is verified at each use, so it is not synced.
            unfinished.replace(self._copy_of(name))
        finally:
            unfinished.unlink(missing_ok=True)
        return name, sha256

    def read(
        self,
        segment: Segment,
        columns: Sequence[str] | None = None,
        *,
        numbers: Range | None = None,
    ) -> pa.Table:
        """Return a segment's rows, or those with numbers in a range.

        Raise ArtifactMissing or ArtifactCorrupt.
        """
        with translate_os_errors("the journal's folder", self._folder):
            try:
                return segments.read(self.local(segment), columns, numbers=numbers)
            except FileNotFoundError as error:  # another thread merged and deleted it meanwhile
                raise ArtifactMissing(segment.name, store=str(self._folder)) from error

    def event_id_at(self, ordered: Iterable[Segment], seq: int) -> str | None:
        """Return the event id of the record with a number; None when no segment covers it."""
        for segment in ordered:
            if segment.first_seq <= seq <= segment.last_seq:
                rows = self.read(segment, ["seq", "event_id"], numbers=(seq, seq))
                return str(rows["event_id"][0]) if rows.num_rows else None
        return None

    def local(self, segment: Segment) -> Path:
        """Return the segment's local copy; fetch it if it is missing or damaged."""
        path = self._copy_of(segment.name)
        if not path.is_file() or sha256_of(path) != segment.sha256:
            self._artifacts.fetch(segment.name, path, sha256=segment.sha256)
        return path

    def names(self) -> tuple[str, ...]:
        """Return the names of all stored segments."""
        return self._artifacts.names(PREFIX)

    def delete(self, names: Collection[str]) -> None:
        """Delete segments and their local copies."""
        for name in names:
            self._artifacts.delete(name)
            self._copy_of(name).unlink(missing_ok=True)

    def delete_copies(self, *, but: Collection[str]) -> None:
        """Delete local copies except these, and files left by a writer that was killed.

        Another host may have merged or dropped the segments, and then the copies are never used
        again. Files of the last hour stay, because another thread may be reading or writing them.
        """
        kept = {name.removeprefix(PREFIX) for name in but}
        before = time.time() - COPY_MIN_AGE_S
        with translate_os_errors("the journal's folder", self._folder):
            for path in self._folder.iterdir() if self._folder.is_dir() else ():
                if path.name not in kept and path.stat().st_mtime < before:
                    path.unlink(missing_ok=True)

    def _copy_of(self, name: str) -> Path:
        return self._folder / name.removeprefix(PREFIX)


def _segment(name: str, sha256: str, covers: Range, table: pa.Table) -> Segment:
    is_event = pc.equal(table["kind"], "event")
    num_events = pc.sum(is_event).as_py() or 0
    # Items have the time at which they were ingested, long after the events of the same file.
    times = table["at_us"].filter(is_event) if num_events else table["at_us"]
    return Segment(
        name=name,
        sha256=sha256,
        first_seq=covers[0],
        last_seq=covers[1],
        num_events=num_events,
        num_items=pc.sum(pc.is_in(table["kind"], pa.array(["item", "fact"]))).as_py() or 0,
        last_at=moment(pc.max(times).as_py()),
        size_bytes=segments.size_bytes(table),
    )


def is_compacted(segment: Segment) -> bool:
    """Return whether a segment replaces dropped ones."""
    return segment.name.endswith(f"{_COMPACTED}.parquet")


def first_kept(ordered: Iterable[Segment]) -> int:
    """Return the first number whose event is kept; the last number + 1 if there is none."""
    last = 0
    for segment in ordered:
        if not is_compacted(segment):
            return segment.first_seq
        last = segment.last_seq
    return last + 1


def parse_name(name: str) -> SegmentName | None:
    """Parse a segment's name; return None for any other file."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    first, last, digest, token = found.groups()
    return SegmentName(
        name=name, covers=(int(first), int(last)), digest=digest, token=int(token or 0)
    )
