"""Files of slates: in the artifact store, with copies in a local folder while they are read.

The ledger decides which of them count. A file's name carries the time of its first slate, its
digest, and the token of its writer's lease.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa

from cron.lineage import Lease, SlateSegment
from cron.local.disk_errors import translate_os_errors
from cron.ports import ArtifactStore
from cron.slates import slate_tables
from cron.slates.exploring import count_explored
from trainer.machine.durable_files import sha256_of

PREFIX = "slates/"
COPY_MIN_AGE_S = 3600.0
_FOLDER = "the journal's folder of slates"
_NAME = re.compile(r"slates/\d{8}T\d{12}-[0-9a-f]{12}-t(\d+)\.parquet")


class SlateFiles:
    """The files of slates of one artifact store; `folder` holds copies and may be emptied."""

    def __init__(self, artifacts: ArtifactStore, folder: Path) -> None:
        self._artifacts = artifacts
        self._folder = folder

    def put(self, table: pa.Table, *, lease: Lease) -> SlateSegment:
        """Store at least one row as a segment; it counts once it is committed."""
        first_at = slate_tables.time_bounds(table)[0]
        unfinished = self._folder / f".unfinished-{secrets.token_hex(4)}"
        with translate_os_errors(_FOLDER, self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                slate_tables.write(table, unfinished)
                sha256 = sha256_of(unfinished)
                when = first_at.strftime("%Y%m%dT%H%M%S%f")
                name = f"{PREFIX}{when}-{sha256[:12]}-t{lease.token}.parquet"
                self._artifacts.put(name, unfinished)
            finally:
                unfinished.unlink(missing_ok=True)
        return _segment(name, sha256, table)

    def read(self, segment: SlateSegment, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a segment's rows; raise ArtifactMissing or ArtifactCorrupt."""
        path = self.local(segment)
        with translate_os_errors(_FOLDER, self._folder):
            return slate_tables.read(path, columns)

    def local(self, segment: SlateSegment) -> Path:
        """Return the segment's local copy; fetch it if it is missing or damaged."""
        path = self._copy_of(segment.name)
        with translate_os_errors(_FOLDER, self._folder):
            if path.is_file() and sha256_of(path) == segment.sha256:
                path.touch()  # in use, so it is not deleted now
                return path
        self._artifacts.fetch(segment.name, path, sha256=segment.sha256)
        return path

    def describe(self, name: str) -> tuple[SlateSegment, pa.Table]:
        """Return the ledger's entry for a stored file, and its rows; raise as `read`."""
        path = self._copy_of(name)
        with translate_os_errors(_FOLDER, self._folder):
            self._artifacts.fetch(name, path)
            table = slate_tables.read(path)
            return _segment(name, sha256_of(path), table), table

    def names(self) -> tuple[str, ...]:
        """Return the names of all stored files."""
        return self._artifacts.names(PREFIX)

    def delete(self, names: Collection[str]) -> None:
        """Delete files from the store. Somebody may be reading the local copies."""
        for name in names:
            self._artifacts.delete(name)

    def delete_copies(self, *, min_age_s: float = COPY_MIN_AGE_S) -> None:
        """Delete local copies that nobody used in the last hour."""
        before = time.time() - min_age_s
        with translate_os_errors(_FOLDER, self._folder):
            for path in self._folder.iterdir() if self._folder.is_dir() else ():
                if path.stat().st_mtime <= before:
                    path.unlink(missing_ok=True)

    def _copy_of(self, name: str) -> Path:
        return self._folder / name.removeprefix(PREFIX)


def token_of(name: str) -> int | None:
    """Return the token of the lease under which a file was written; None for any other file."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found is not None else None


def _segment(name: str, sha256: str, table: pa.Table) -> SlateSegment:
    first_at, last_at = slate_tables.time_bounds(table)
    return SlateSegment(
        name=name,
        sha256=sha256,
        first_at=first_at,
        last_at=last_at,
        num_slates=table.num_rows,
        size_bytes=int(table.nbytes),
        explored=count_explored(table),
    )
