"""The artifact store in a folder, which is TorchServe's model store too: the embedded back end.

Knows names and bytes, not what they hold. An artifact lies under its own name; its sha256 and half-written copies lie in the hidden
folder `.store`, so that whoever lists the model store sees whole artifacts only. A file without a sha256 there is no artifact.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from cron.errors import ArtifactConflict, ArtifactCorrupt, ArtifactMissing, Unavailable

_CHUNK_BYTES = 1 << 20


class FolderArtifacts:
    """ArtifactStore on a local folder; may be shared by threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digests = folder / ".store" / "sha256"
        self._unfinished = folder / ".store" / "unfinished"
        try:
            self._digests.mkdir(parents=True, exist_ok=True)
            self._unfinished.mkdir(exist_ok=True)
        except OSError as error:
            raise Unavailable("the artifact store", where=str(folder), why=str(error)) from error

    def put(self, name: str, file: Path) -> str:
        """Store a file under a name that no other bytes bear; return its sha256."""
        target, digest_file = self._paths(name)
        with self._writing():
            unfinished = self._unfinished / secrets.token_hex(8)
            digest = _copy(file, unfinished)
            stored = _sha256(unfinished)
            if stored != digest:
                raise ArtifactCorrupt(name, expected=digest, found=stored)
            if target.is_file():
                found = _sha256(target)
                recorded = digest_file.read_text() if digest_file.is_file() else found
                if recorded != digest:
                    raise ArtifactConflict(name, expected=digest, found=recorded)
                if found == digest and digest_file.is_file():
                    return digest
            # The digest first: without its artifact it shows nowhere, and an artifact without it would not be one.
            _write(digest_file, digest, self._unfinished / secrets.token_hex(8))
            _move(unfinished, target)
        return digest

    def fetch(self, name: str, into: Path) -> None:
        """Write the artifact to the path `into`, atomically, verified."""
        target, digest_file = self._paths(name)
        into.parent.mkdir(parents=True, exist_ok=True)
        unfinished = into.with_name(f".{into.name}.{secrets.token_hex(4)}")
        try:
            expected = digest_file.read_text()
            found = _copy(target, unfinished)
            if found != expected:
                raise ArtifactCorrupt(name, expected=expected, found=found)
            _move(unfinished, into)
        except FileNotFoundError as error:
            raise ArtifactMissing(name, store=str(self._folder)) from error
        finally:
            unfinished.unlink(missing_ok=True)

    def url(self, name: str) -> str:
        """Return the bare file name: TorchServe looks for it in its model store, this folder."""
        self._paths(name)
        return name

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted."""
        known = (path.relative_to(self._digests).as_posix() for path in self._digests.rglob("*") if path.is_file())
        return tuple(sorted(name for name in known if (self._folder / name).is_file()))

    def delete(self, name: str) -> None:
        """Delete an artifact; its empty parent folders go with it."""
        target, digest_file = self._paths(name)
        with self._writing():
            for file, root in ((target, self._folder), (digest_file, self._digests)):
                file.unlink(missing_ok=True)
                _remove_empty(file.parent, root)

    def _paths(self, name: str) -> tuple[Path, Path]:
        """Return where an artifact and its sha256 lie; raise ValueError for a name that could lead out of the folder or hide in it."""
        parts = name.split("/")
        if PurePosixPath(name).is_absolute() or any(not part or part.startswith(".") or "\\" in part or "\0" in part for part in parts):
            raise ValueError(f"artifact name {name!r}: expected relative parts joined by /, none of them empty or starting with a dot")
        return self._folder.joinpath(*parts), self._digests.joinpath(*parts)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Let one writer in at a time; what an earlier one left unfinished was cut off by its death and is cleared away."""
        with (self._folder / ".store" / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._clear_unfinished()
            try:
                yield
            finally:
                self._clear_unfinished()

    def _clear_unfinished(self) -> None:
        for leftover in self._unfinished.iterdir():
            leftover.unlink()


def open_artifacts(folder: Path) -> FolderArtifacts:
    """Open the store in this folder, making it when there is none; raise Unavailable."""
    return FolderArtifacts(folder)


def _copy(source: Path, target: Path) -> str:
    """Copy a file durably; return the sha256 of the bytes read."""
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            digest.update(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    return digest.hexdigest()


def _sha256(file: Path) -> str:
    with file.open("rb") as reader:
        return hashlib.file_digest(reader, "sha256").hexdigest()


def _write(file: Path, text: str, unfinished: Path) -> None:
    with unfinished.open("x") as writer:
        writer.write(text)
        writer.flush()
        os.fsync(writer.fileno())
    _move(unfinished, file)


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
