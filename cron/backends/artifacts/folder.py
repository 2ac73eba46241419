"""The artifact store in a folder, which is TorchServe's model store too: the embedded back end.

Knows names and bytes, not what they hold. An artifact lies under its own name; its sha256 and
half-written copies lie in the hidden folder `.store`, so that whoever lists the model store sees
whole artifacts only. A file without a sha256 there is no artifact.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cron.errors import ArtifactConflict, ArtifactCorrupt, ArtifactMissing
from cron.local.disk_errors import translate_os_errors
from cron.urls.artifact_name import CHUNK_BYTES, check_name
from trainer import durable_files
from trainer.file_lock import file_lock

WHAT = "the artifact store"


class FolderArtifacts:
    """ArtifactStore on a local folder; may be shared by threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digests = folder / ".store" / "sha256"
        self._unfinished = folder / ".store" / "unfinished"
        with translate_os_errors(WHAT, folder):
            durable_files.make_folder(self._digests)
            durable_files.make_folder(self._unfinished)

    def put(self, name: str, file: Path) -> str:
        """Store a file under a name that no other bytes bear; return its sha256."""
        target, digest_file = self._paths(name)
        with translate_os_errors(WHAT, self._folder), self._writing():
            unfinished = self._unfinished / secrets.token_hex(8)
            digest = _copy(file, unfinished)
            stored = durable_files.sha256_of(unfinished)
            if stored != digest:
                raise ArtifactCorrupt(name, expected=digest, found=stored)
            if target.is_file():
                found = durable_files.sha256_of(target)
                recorded = digest_file.read_text() if digest_file.is_file() else found
                if recorded != digest:
                    raise ArtifactConflict(name, expected=digest, found=recorded)
                if found == digest and digest_file.is_file():
                    return digest
            # The digest first: without its artifact it shows nowhere, and an artifact without it
            # would not be one.
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
        """Return the bare file name: TorchServe looks for it in its model store, this folder. It runs what is inside: so only our bytes."""
        target, digest_file = self._paths(name)
        with translate_os_errors(WHAT, self._folder):
            try:
                expected, found = (
                    _expected(name, digest_file, sha256),
                    durable_files.sha256_of(target),
                )
            except FileNotFoundError as error:
                raise ArtifactMissing(name, store=str(self._folder)) from error
        if found != expected:
            raise ArtifactCorrupt(name, expected=expected, found=found)
        return name

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Return all names that begin with a prefix, sorted."""
        with translate_os_errors(WHAT, self._folder):
            known = (
                path.relative_to(self._digests).as_posix()
                for path in self._digests.rglob("*")
                if path.is_file()
            )
            return tuple(
                sorted(
                    name
                    for name in known
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
            expected, found = _expected(name, digest_file, sha256), _copy(target, into)
        except FileNotFoundError as error:
            raise ArtifactMissing(name, store=str(self._folder)) from error
        if found != expected:
            raise ArtifactCorrupt(name, expected=expected, found=found)

    def _paths(self, name: str) -> tuple[Path, Path]:
        """Return where an artifact and its sha256 lie; raise ValueError for a name that could lead out of the folder or hide in it."""
        parts = check_name(name)
        return self._folder.joinpath(*parts), self._digests.joinpath(*parts)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Let one writer in at a time; what an earlier one left unfinished was cut off by its death and is cleared away."""
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
    """Open the store in this folder, making it when there is none; raise Unavailable."""
    return FolderArtifacts(folder)


def _expected(name: str, digest_file: Path, sha256: str | None) -> str:
    """Return the sha256 that the artifact must have; raise ArtifactCorrupt when the store recorded another one."""
    recorded = digest_file.read_text()
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


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
