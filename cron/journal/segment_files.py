"""Files of segments: in the artifact store, with copies in a folder of ours.

Knows names, digests and places; what is in force is the ledger's to say. A segment's name carries
its digest, so that one that was put and never committed is in nobody's way, and the token of its
writer's lease, so that nobody else will ever commit that very file: whoever holds a later lease may
delete it.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Collection, Sequence
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
from trainer.durable_files import sha256_of

PREFIX = "journal/"
COPY_MIN_AGE_S = 3600.0
_COMPACTED = "-compacted"
_NAME = re.compile(r"journal/(\d{12})-(\d{12})-([0-9a-f]{12})(?:-t(\d+))?(?:-compacted)?\.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentName:
    """What a segment's name says: its range, the beginning of its sha256, the token of its writer's lease (0: from before names had it)."""

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
        """Write rows to the store as the segment that covers a range of numbers; it counts once the ledger says so."""
        with translate_os_errors("the journal's folder", self._folder):
            name, sha256 = self._put(table, covers, lease, kind=_COMPACTED if compacted else "")
        return _segment(name, sha256, covers, table)

    def describe(self, name: SegmentName) -> Segment:
        """Return the entry that the ledger would have for a stored file; raise ArtifactMissing, ArtifactCorrupt or StoreError."""
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
                f"segment {name.name}: its numbers are not those of its name; restore it from a backup"
            )
        return _segment(name.name, sha256, name.covers, table)

    def _put(self, table: pa.Table, covers: Range, lease: Lease, *, kind: str) -> tuple[str, str]:
        """Write a segment's file and put it; return its name and sha256."""
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f".unfinished-{secrets.token_hex(4)}"
        try:
            segments.write(table, unfinished)
            sha256 = sha256_of(unfinished)
            name = f"{PREFIX}{covers[0]:012}-{covers[1]:012}-{sha256[:12]}-t{lease.token}{kind}.parquet"
            self._artifacts.put(name, unfinished)
            unfinished.replace(
                self._copy_of(name)
            )  # a copy of what is stored; verified at each use, so never synced
        finally:
            unfinished.unlink(missing_ok=True)
        return name, sha256

    def read(self, segment: Segment, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a segment's rows; raise ArtifactMissing or ArtifactCorrupt."""
        with translate_os_errors("the journal's folder", self._folder):
            try:
                return segments.read(self.local(segment), columns)
            except (
                FileNotFoundError
            ) as error:  # merged and swept by another thread since it was found
                raise ArtifactMissing(segment.name, store=str(self._folder)) from error

    def local(self, segment: Segment) -> Path:
        """Return the segment's file in our folder, fetched when it isn't there or was damaged."""
        path = self._copy_of(segment.name)
        if not path.is_file() or sha256_of(path) != segment.sha256:
            self._artifacts.fetch(segment.name, path, sha256=segment.sha256)
        return path

    def names(self) -> tuple[str, ...]:
        """Return the names of all segments that were put."""
        return self._artifacts.names(PREFIX)

    def delete(self, names: Collection[str]) -> None:
        """Delete segments and our copies of them."""
        for name in names:
            self._artifacts.delete(name)
            self._copy_of(name).unlink(missing_ok=True)

    def delete_copies(self, *, but: Collection[str]) -> None:
        """Delete our copies of all segments but these, and what a writer left that was killed.

        Another host may have merged or dropped them, and then nobody asks for these copies again.
        Files of the last hour stay: another thread may be about to read or to finish them.
        """
        kept = {self._copy_of(name) for name in but}
        before = time.time() - COPY_MIN_AGE_S
        with translate_os_errors("the journal's folder", self._folder):
            for path in self._folder.iterdir() if self._folder.is_dir() else ():
                if path not in kept and path.stat().st_mtime < before:
                    path.unlink(missing_ok=True)

    def _copy_of(self, name: str) -> Path:
        return self._folder / name.removeprefix(PREFIX)


def _segment(name: str, sha256: str, covers: Range, table: pa.Table) -> Segment:
    return Segment(
        name=name,
        sha256=sha256,
        first_seq=covers[0],
        last_seq=covers[1],
        num_events=pc.sum(pc.equal(table["kind"], "event")).as_py() or 0,
        num_items=pc.sum(pc.equal(table["kind"], "item")).as_py() or 0,
        last_at=moment(pc.max(table["at_us"]).as_py()),
        size_bytes=table.nbytes,
    )


def is_compacted(segment: Segment) -> bool:
    """Tell whether a segment stands for dropped ones."""
    return segment.name.endswith(f"{_COMPACTED}.parquet")


def parsed_name(name: str) -> SegmentName | None:
    """Read a segment's name; None for a file that is none of ours."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    first, last, digest, token = found.groups()
    return SegmentName(
        name=name, covers=(int(first), int(last)), digest=digest, token=int(token or 0)
    )
