"""The ArtifactStore port on a bucket.

An artifact is an object whose metadata holds its sha256; an object without it is not an artifact.
ETags are not used: that of an upload in parts is not an MD5.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from botocore.client import BaseClient
from minio import Minio
from minio.credentials.credentials import Credentials
from minio.error import S3Error
from urllib3.exceptions import HTTPError

from cron.backends.artifacts.s3.client import KeyProvider, new_client, translate_minio_errors
from cron.backends.artifacts.s3.errors import WHAT, refusal
from cron.backends.artifacts.s3.upload import SHA256_KEY, Upload, UploadRefused
from cron.backends.artifacts.s3.uploading_client import new_uploading_client
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
from trainer.machine import durable_files
from trainer.machine.retries import RetryPolicy, call_with_retries

SHA256_HEADER = f"x-amz-meta-{SHA256_KEY}"
# TorchServe fetches at once; several nodes load one after the other
URL_HOLDS_FOR = timedelta(minutes=30)
_UPLOADS = 3  # one more each for a missing bucket and for a server without conditions
# an answer that breaks off is requested again from its start
_DOWNLOADS = RetryPolicy(
    may_pass=lambda error: isinstance(error, HTTPError), max_tries=3, first_pause_s=0.3
)
_NO_BUCKET = "NoSuchBucket"
_NO_UPLOAD = "NoSuchUpload"
_CONDITION_FAILED = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_NOT_OFFERED = frozenset({"NotImplemented", "MethodNotAllowed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoredObject:
    """An object in the bucket; `sha256` is None when Freshet did not put it."""

    size_bytes: int
    sha256: str | None


class S3Artifacts:
    """ArtifactStore on a bucket; threads may share it. Nothing is sent until it is used.

    `put` creates a missing bucket.
    """

    def __init__(self, url: S3Url) -> None:
        self._url = url
        self._has_conditions = True  # until the server says otherwise
        self._keys = KeyProvider(url)
        self._uploader: tuple[Credentials, BaseClient] | None = None

    def put(self, name: str, file: Path) -> str:
        """Store a file under a name that no other bytes have; return its sha256."""
        check_name(name)
        sha256, size_bytes = durable_files.sha256_of(file), file.stat().st_size
        with translate_minio_errors(self._url):
            for attempt in range(_UPLOADS + 1):
                found = self._look(name)
                if found is not None and self._holds(name, found, sha256, size_bytes):
                    return sha256
                # an object with our bytes but without their sha256, or cut short, is replaced
                if attempt < _UPLOADS:
                    self._upload(name, file, sha256, is_exclusive=found is None)
        why = f"after {_UPLOADS} uploads {name} is not there"
        raise Unavailable(WHAT, where=self._url.where, why=why)

    def fetch(self, name: str, into: Path, *, sha256: str | None = None) -> None:
        """Write the artifact to the path `into`, atomically, verified."""
        check_name(name)
        with translate_os_errors("the copy of an artifact", into):
            durable_files.make_folder(into.parent)
            unfinished = into.with_name(f".{into.name}.{secrets.token_hex(4)}")
            try:
                self._download(name, unfinished, sha256)
                durable_files.move(unfinished, into)
            finally:
                unfinished.unlink(missing_ok=True)

    def url(self, name: str, *, sha256: str | None = None) -> str:
        """Return a signed URL for TorchServe, or a bare name in the folder shared with it.

        TorchServe runs what it fetches, so the bytes are first read and hashed: a second download.
        """
        check_name(name)
        if self._url.shared is not None:
            with translate_os_errors("the folder shared with TorchServe", self._url.shared):
                return self._shared_name(name, self._url.shared, sha256)
        expected = self._known_sha256(name, sha256)
        with translate_minio_errors(self._url):
            found = self._sha256_of_object(name)
        if found != expected:
            raise ArtifactCorrupt(name, expected=expected, found=found)
        with translate_minio_errors(self._url):
            return self._signer.presigned_get_object(
                self._url.bucket, self._key(name), expires=URL_HOLDS_FOR
            )

    def folder(self) -> None:
        """Return None: a folder shared with TorchServe has only the archives in use."""
        return

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Return all names that begin with a prefix, sorted; a thousand per request."""
        with translate_minio_errors(self._url):
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
        """Delete an artifact, and its copy in the shared folder.

        In a bucket with versions, the bucket's own rules decide what is kept.
        """
        check_name(name)
        with translate_minio_errors(self._url):
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
        """Return a client that signs URLs for TorchServe's view of the server; it sends nothing."""
        return new_client(self._url, endpoint=self._url.public)

    def _uploading_client(self) -> BaseClient:
        """Return a client with the present keys: those of a machine's role expire."""
        keys = self._keys.retrieve()
        if self._uploader is None or self._uploader[0] is not keys:
            self._uploader = (keys, new_uploading_client(self._url, keys))
        return self._uploader[1]

    def _key(self, name: str) -> str:
        return self._url.prefix + name

    def _look(self, name: str) -> _StoredObject | None:
        try:
            found = self._client.stat_object(self._url.bucket, self._key(name))
        except S3Error as error:
            if error.code in ("NoSuchKey", _NO_BUCKET):
                return None
            raise
        sha256 = (found.metadata or {}).get(SHA256_HEADER)
        return _StoredObject(size_bytes=found.size or 0, sha256=sha256)

    def _holds(self, name: str, found: _StoredObject, sha256: str, size_bytes: int) -> bool:
        """Return whether an artifact has these bytes; raise ArtifactConflict for others."""
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
        """Upload once; the caller then looks for the object.

        A lost answer, or another's file under that name, decides nothing here.
        """
        upload = Upload(
            client=self._uploading_client(),
            url=self._url,
            name=name,
            file=file,
            sha256=sha256,
            is_exclusive=is_exclusive and self._has_conditions,
        )
        try:
            upload.send()
        except UploadRefused as error:
            if error.code == _NO_BUCKET:
                self._make_bucket()
            elif error.code in _NOT_OFFERED and upload.is_exclusive:
                self._has_conditions = False
            elif error.code not in _CONDITION_FAILED and error.code != _NO_UPLOAD:
                raise refusal(
                    self._url, code=error.code, message=error.message, status=error.status
                ) from error

    def _make_bucket(self) -> None:
        try:
            self._client.make_bucket(self._url.bucket, location=self._url.region)
        except S3Error as error:
            if error.code == "AccessDenied":
                raise AccessRefused(
                    WHAT,
                    where=self._url.where,
                    why=f"there is no bucket {self._url.bucket}, and the key may not create it",
                    remedy="create it, or allow the key to create it",
                ) from error
            if error.code != "BucketAlreadyOwnedByYou":
                raise

    def _download(self, name: str, unfinished: Path, sha256: str | None) -> None:
        """Fetch into a new file."""
        with translate_minio_errors(self._url):
            call_with_retries(
                _DOWNLOADS,
                lambda: self._download_once(name, unfinished, sha256),
                before_pause=lambda *_: unfinished.unlink(missing_ok=True),
            )

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
                foreign = "the object was not put by Freshet and has no sha256"
                raise ArtifactMissing(name, store=f"{self._url.where}: {foreign}")
            if sha256 is not None and expected != sha256:
                raise ArtifactCorrupt(name, expected=sha256, found=expected)
            found = durable_files.write_new(answer.stream(CHUNK_BYTES), unfinished)
            answer.release_conn()
        if found != expected:
            raise ArtifactCorrupt(name, expected=expected, found=found)

    def _known_sha256(self, name: str, sha256: str | None) -> str:
        """Return the recorded sha256; raise ArtifactMissing, or ArtifactCorrupt for another one."""
        with translate_minio_errors(self._url):
            found = self._look(name)
        if found is None or found.sha256 is None:
            raise ArtifactMissing(name, store=self._url.where)
        if sha256 is not None and found.sha256 != sha256:
            raise ArtifactCorrupt(name, expected=sha256, found=found.sha256)
        return found.sha256

    def _shared_name(self, name: str, folder: Path, sha256: str | None) -> str:
        """Put the artifact into the folder unless these bytes are there.

        While the store is away, an earlier copy with the right sha256 is used.
        """
        file, digest_file = folder / name, _digest_file(folder / name)
        try:
            expected = self._known_sha256(name, sha256)
        except Unavailable:
            if not digest_file.is_file() or not file.is_file():
                raise
            if durable_files.sha256_of(file) != (sha256 or digest_file.read_text(encoding="utf-8")):
                raise
            return name
        if not file.is_file() or durable_files.sha256_of(file) != expected:
            self.fetch(name, file, sha256=expected)
        if not digest_file.is_file() or digest_file.read_text(encoding="utf-8") != expected:
            durable_files.replace_bytes(digest_file, expected.encode())
        return name


def open_artifacts(url: S3Url) -> S3Artifacts:
    """Open the store; nothing is sent."""
    return S3Artifacts(url)


def _digest_file(file: Path) -> Path:
    return file.with_name(f".{file.name}.sha256")
