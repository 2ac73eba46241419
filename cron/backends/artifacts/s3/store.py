"""The ArtifactStore port on a bucket.

An artifact is an object whose metadata holds its sha256; one without is none of ours. ETags are not
looked at: that of an upload in parts is no MD5. Knows names and bytes, not what they hold.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from minio import Minio
from minio.error import S3Error
from urllib3.exceptions import HTTPError

from cron.backends.artifacts.s3.client import (
    CONDITION_FAILED,
    NOT_OFFERED,
    WHAT,
    in_our_words,
    new_client,
)
from cron.backends.artifacts.s3.upload import SHA256_HEADER, Upload
from cron.errors import (
    AccessRefused,
    ArtifactConflict,
    ArtifactCorrupt,
    ArtifactMissing,
    Unavailable,
)
from cron.local.disk_errors import translate_os_errors
from cron.urls.artifact_name import CHUNK_BYTES, check_name, is_name
from cron.urls.s3 import S3Url
from trainer import durable_files

URL_HOLDS_FOR = timedelta(
    minutes=30
)  # TorchServe fetches at once; several nodes load one after the other
_UPLOADS = 3  # one, and one more each for a bucket that is missing and a server without conditions
_DOWNLOADS = 3
_NO_BUCKET, _NO_UPLOAD = "NoSuchBucket", "NoSuchUpload"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    size_bytes: int
    sha256: str | None  # None: not put by us


class S3Artifacts:
    """ArtifactStore on a bucket; may be shared by threads. Nothing is sent until it is used; a bucket that is missing is made by `put`."""

    def __init__(self, url: S3Url) -> None:
        self._url = url
        self._has_conditions = True  # until the server says otherwise

    def put(self, name: str, file: Path) -> str:
        """Store a file under a name that no other bytes bear; return its sha256."""
        check_name(name)
        sha256, size_bytes = durable_files.sha256_of(file), file.stat().st_size
        with in_our_words(self._url):
            for attempt in range(_UPLOADS + 1):
                found = self._look(name)
                if found is not None and self._holds(name, found, sha256, size_bytes):
                    return sha256
                if (
                    attempt < _UPLOADS
                ):  # what lies there has our bytes but lacks its sha256, or was cut short: it is replaced
                    self._upload(name, file, sha256, is_exclusive=found is None)
        raise Unavailable(
            WHAT, where=self._url.where, why=f"after {_UPLOADS} uploads {name} is not there"
        )

    def fetch(self, name: str, into: Path, *, sha256: str | None = None) -> None:
        """Write the artifact to the path `into`, atomically, verified."""
        check_name(name)
        with (
            translate_os_errors("the copy of an artifact", into),
            durable_files.replacing(into) as unfinished,
        ):
            self._download(name, unfinished, sha256)

    def url(self, name: str, *, sha256: str | None = None) -> str:
        """Return a signed URL for TorchServe, or a bare file name once the artifact lies in the folder that is shared with it.

        The bytes are read and hashed first, which is a second download: TorchServe runs what it
        fetches.
        """
        check_name(name)
        if self._url.shared is not None:
            with translate_os_errors("the folder shared with TorchServe", self._url.shared):
                return self._shared_name(name, self._url.shared, sha256)
        expected = self._known_sha256(name, sha256)
        with in_our_words(self._url):
            found = self._sha256_of_object(name)
        if found != expected:
            raise ArtifactCorrupt(name, expected=expected, found=found)
        with in_our_words(self._url):
            return self._signer.presigned_get_object(
                self._url.bucket, self._key(name), expires=URL_HOLDS_FOR
            )

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Return all names that begin with a prefix, sorted; a thousand a request."""
        with in_our_words(self._url):
            try:
                objects = list(
                    self._client.list_objects(
                        self._url.bucket, prefix=self._url.prefix + prefix, recursive=True
                    )
                )
            except S3Error as error:
                if error.code == _NO_BUCKET:
                    return ()
                raise
        names = (str(found.object_name).removeprefix(self._url.prefix) for found in objects)
        return tuple(sorted(name for name in names if is_name(name)))

    def delete(self, name: str) -> None:
        """Delete an artifact, and its copy in the shared folder; in a bucket with versions the bucket's own rules say what stays."""
        check_name(name)
        with in_our_words(self._url):
            try:
                self._client.remove_object(self._url.bucket, self._key(name))
            except S3Error as error:
                if error.code != _NO_BUCKET:
                    raise
        if self._url.shared is not None:
            for file in (self._url.shared / name, _digest_file(self._url.shared / name)):
                file.unlink(missing_ok=True)

    @cached_property
    def _client(self) -> Minio:
        return new_client(self._url, endpoint=self._url.endpoint)

    @cached_property
    def _signer(self) -> Minio:
        """Return a client that signs for the host name under which TorchServe reaches the server; it sends nothing."""
        return new_client(self._url, endpoint=self._url.public)

    def _key(self, name: str) -> str:
        return self._url.prefix + name

    def _look(self, name: str) -> _Stored | None:
        try:
            found = self._client.stat_object(self._url.bucket, self._key(name))
        except S3Error as error:
            if error.code in ("NoSuchKey", _NO_BUCKET):
                return None
            raise
        return _Stored(size_bytes=found.size or 0, sha256=(found.metadata or {}).get(SHA256_HEADER))

    def _holds(self, name: str, found: _Stored, sha256: str, size_bytes: int) -> bool:
        """Tell whether these very bytes are stored as an artifact; raise ArtifactConflict for other bytes."""
        there = found.sha256 if found.sha256 is not None else self._sha256_of_object(name)
        if there != sha256:
            raise ArtifactConflict(name, expected=sha256, found=there)
        return found.sha256 is not None and found.size_bytes == size_bytes

    def _sha256_of_object(self, name: str) -> str:
        digest = hashlib.sha256()
        with closing(self._client.get_object(self._url.bucket, self._key(name))) as answer:
            for chunk in answer.stream(CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def _upload(self, name: str, file: Path, sha256: str, *, is_exclusive: bool) -> None:
        """Upload once. Whether it is there is looked at afterwards: a lost answer, or another's file under that name, says nothing here."""
        upload = Upload(
            client=self._client,
            bucket=self._url.bucket,
            key=self._key(name),
            name=name,
            file=file,
            sha256=sha256,
            is_exclusive=is_exclusive and self._has_conditions,
        )
        try:
            upload.send()
        except S3Error as error:
            if error.code == _NO_BUCKET:
                self._make_bucket()
            elif error.code in NOT_OFFERED and upload.is_exclusive:
                self._has_conditions = False
            elif error.code not in CONDITION_FAILED and error.code != _NO_UPLOAD:
                raise

    def _make_bucket(self) -> None:
        try:
            self._client.make_bucket(self._url.bucket, location=self._url.region)
        except S3Error as error:
            if error.code == "AccessDenied":
                why, remedy = (
                    f"there is no bucket {self._url.bucket}, and it may not be made",
                    "make it, or let the key make it",
                )
                raise AccessRefused(WHAT, where=self._url.where, why=why, remedy=remedy) from error
            if error.code != "BucketAlreadyOwnedByYou":
                raise

    def _download(self, name: str, unfinished: Path, sha256: str | None) -> None:
        """Fetch into a new file; an answer that breaks off is asked for again from its beginning."""
        with in_our_words(self._url):
            for attempt in range(1, _DOWNLOADS):
                try:
                    return self._download_once(name, unfinished, sha256)
                except HTTPError:
                    unfinished.unlink(missing_ok=True)
                time.sleep(0.2 * attempt * random.uniform(0.5, 1.5))
            return self._download_once(name, unfinished, sha256)

    def _download_once(self, name: str, unfinished: Path, sha256: str | None) -> None:
        try:
            answer = self._client.get_object(self._url.bucket, self._key(name))
        except S3Error as error:
            if error.code not in ("NoSuchKey", _NO_BUCKET):
                raise
            raise ArtifactMissing(name, store=self._url.where) from error
        with closing(answer):
            expected = answer.headers.get(SHA256_HEADER)
            if expected is None:
                raise ArtifactMissing(
                    name,
                    store=f"{self._url.where}: what lies there was not put by Freshet and has no sha256",
                )
            if sha256 is not None and expected != sha256:
                raise ArtifactCorrupt(name, expected=sha256, found=expected)
            found = durable_files.write_new(_chunks(answer.stream(CHUNK_BYTES)), unfinished)
            answer.release_conn()
        if found != expected:
            raise ArtifactCorrupt(name, expected=expected, found=found)

    def _known_sha256(self, name: str, sha256: str | None) -> str:
        """Return the sha256 that the store recorded; raise ArtifactMissing, or ArtifactCorrupt when it is not the one that is wanted."""
        with in_our_words(self._url):
            found = self._look(name)
        if found is None or found.sha256 is None:
            raise ArtifactMissing(name, store=self._url.where)
        if sha256 is not None and found.sha256 != sha256:
            raise ArtifactCorrupt(name, expected=sha256, found=found.sha256)
        return found.sha256

    def _shared_name(self, name: str, folder: Path, sha256: str | None) -> str:
        """Put the artifact into the folder unless these bytes are there; while the store is away, what was put there before will do."""
        file, digest_file = folder / name, _digest_file(folder / name)
        try:
            expected = self._known_sha256(name, sha256)
        except Unavailable:
            if not digest_file.is_file() or not file.is_file():
                raise
            if durable_files.sha256_of(file) != (sha256 or digest_file.read_text()):
                raise
            return name
        if not file.is_file() or durable_files.sha256_of(file) != expected:
            self.fetch(name, file, sha256=expected)
        if not digest_file.is_file() or digest_file.read_text() != expected:
            durable_files.replace_text(digest_file, expected)
        return name


def open_artifacts(url: S3Url) -> S3Artifacts:
    """Open the store; nothing is sent."""
    return S3Artifacts(url)


def _digest_file(file: Path) -> Path:
    return file.with_name(f".{file.name}.sha256")


def _chunks(stream: Iterator[bytes]) -> Iterator[bytes]:
    yield from stream
