"""The artifact store in a folder that is also TorchServe's model store: the embedded one.

An artifact is stored under its own name. Its sha256, and half-written copies, are in the hidden
folder `.store`, so a listing of the model store shows only whole artifacts. A file without a sha256
there is not an artifact.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cron.errors import ArtifactConflict, ArtifactCorrupt, ArtifactMissing
from cron.local.disk_errors import translate_os_errors
from cron.urls.artifact_name import CHUNK_BYTES, check_name
from trainer.machine import durable_files
from trainer.machine.file_lock import file_lock

WHAT = "the artifact store"


class FolderArtifacts:
    """ArtifactStore on a local folder; threads and processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digests = folder / ".store" / "sha256"
        self._unfinished = folder / ".store" / "unfinished"
        with translate_os_errors(WHAT, folder):
            durable_files.make_folder(self._digests)
            durable_files.make_folder(self._unfinished)

    def put(self, name: str, file: Path) -> str:
        """Store a file under a name that no other bytes have; return its sha256."""
        target, digest_file = self._paths(name)
        with translate_os_errors(WHAT, self._folder), self._writing():
            unfinished = self._unfinished / secrets.token_hex(8)
            digest = _copy(file, unfinished)
            stored = durable_files.sha256_of(unfinished)
            if stored != digest:
                raise ArtifactCorrupt(name, expected=digest, found=stored)
            if target.is_file():
                found = durable_files.sha256_of(target)
                recorded = (
                    digest_file.read_text(encoding="utf-8") if digest_file.is_file() else found
                )
                if recorded != digest:
                    raise ArtifactConflict(name, expected=digest, found=recorded)
                if found == digest and digest_file.is_file():
                    return digest
            # The digest first: it is invisible without its file, and a file without it would not
            # be an artifact.
            _write(digest_file, digest, self._unfinished / secrets.token_hex(8))
            durable_files.move(unfinished, target)
        return digest

    def fetch(self, name: str, into: Path, *, sha256: str | None = None) -> None:
        """Write the artifact to the path `into`, atomically, verified."""
        check_name(name)
        with (
            translate_os_errors(WHAT, self._folder),
            durable_files.replacing(into) as unfinished,
        ):
            self._copy_verified(name, unfinished, sha256)

    def url(self, name: str, *, sha256: str | None = None) -> str:
        """Return the bare file name, which TorchServe looks up in its model store, this folder.

        TorchServe runs what it loads, so the bytes are verified first.
        """
        target, digest_file = self._paths(name)
        with translate_os_errors(WHAT, self._folder):
            try:
                expected, found = (
                    _recorded_sha256(name, digest_file, sha256),
                    durable_files.sha256_of(target),
                )
            except FileNotFoundError as error:
                raise ArtifactMissing(name, store=str(self._folder)) from error
        if found != expected:
            raise ArtifactCorrupt(name, expected=expected, found=found)
        return name

    def folder(self) -> Path:
        """Return the model store itself."""
        return self._folder.resolve()

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Return all names that begin with a prefix, sorted."""
        with translate_os_errors(WHAT, self._folder):
            return tuple(
                sorted(
                    name
                    for name in _files_below(self._digests)
                    if name.startswith(prefix) and (self._folder / name).is_file()
                )
            )

    def delete(self, name: str) -> None:
        """Delete an artifact; its empty parent folders go with it."""
        target, digest_file = self._paths(name)
        with translate_os_errors(WHAT, self._folder), self._writing():
            for file, root in ((target, self._folder), (digest_file, self._digests)):
                file.unlink(missing_ok=True)
                _remove_empty(file.parent, root)

    def _copy_verified(self, name: str, into: Path, sha256: str | None) -> None:
        target, digest_file = self._paths(name)
        try:
            expected, found = _recorded_sha256(name, digest_file, sha256), _copy(target, into)
        except FileNotFoundError as error:
            raise ArtifactMissing(name, store=str(self._folder)) from error
        if found != expected:
            raise ArtifactCorrupt(name, expected=expected, found=found)

    def _paths(self, name: str) -> tuple[Path, Path]:
        """Return the paths of an artifact and of its sha256.

        Raise ValueError for a name that could lead out of the folder or be hidden in it.
        """
        parts = check_name(name)
        return self._folder.joinpath(*parts), self._digests.joinpath(*parts)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Lock the store for one writer; remove what a writer that died left unfinished."""
        with file_lock(self._folder / ".store" / "lock"):
            self._clear_unfinished()
            try:
                yield
            finally:
                self._clear_unfinished()

    def _clear_unfinished(self) -> None:
        for leftover in self._unfinished.iterdir():
            leftover.unlink()


def open_artifacts(folder: Path) -> FolderArtifacts:
    """Open the store in this folder, creating it if it is missing; raise Unavailable."""
    return FolderArtifacts(folder)


def _recorded_sha256(name: str, digest_file: Path, sha256: str | None) -> str:
    """Return the recorded sha256; raise ArtifactCorrupt when `sha256` is another one."""
    recorded = digest_file.read_text(encoding="utf-8")
    if sha256 is not None and recorded != sha256:
        raise ArtifactCorrupt(name, expected=sha256, found=recorded)
    return recorded


def _copy(source: Path, target: Path) -> str:
    """Copy a file durably; return the sha256 of the bytes read."""
    with source.open("rb") as reader:
        return durable_files.write_new(iter(lambda: reader.read(CHUNK_BYTES), b""), target)


def _write(file: Path, text: str, unfinished: Path) -> None:
    durable_files.write_new([text.encode()], unfinished)
    durable_files.move(unfinished, file)


def _files_below(root: Path) -> Iterator[str]:
    """Yield the relative paths of all files; a folder that is deleted meanwhile has none."""

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for parent, _, names in os.walk(root, onerror=refuse):
        folder = Path(parent).relative_to(root)
        before = "" if folder == Path() else f"{folder.as_posix()}/"
        yield from (f"{before}{name}" for name in names)


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
