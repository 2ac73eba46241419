"""Upload one file, whole or in parts; fail if its name is taken.

Only whole uploads are visible. Memory holds one part.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from cron.backends.artifacts.s3.errors import silence
from cron.errors import ArtifactCorrupt
from cron.urls.s3 import S3Url

PART_BYTES = 16 << 20  # 10,000 parts are allowed, so files up to 160 GB
SHA256_KEY = "sha256"  # of the object's metadata
_TYPE = "application/octet-stream"


class UploadRefused(Exception):
    """The server answered an upload with an error code of S3."""

    def __init__(self, *, code: str, message: str, status: int) -> None:
        self.code = code
        self.message = message
        self.status = status
        super().__init__(f"{code}: {message}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file to upload; `is_exclusive` asks the server to refuse it when the key exists."""

    client: BaseClient
    url: S3Url
    name: str
    file: Path
    sha256: str
    is_exclusive: bool

    def send(self) -> None:
        """Upload the file; after an error nothing is visible.

        Raise UploadRefused, Unavailable, or ArtifactCorrupt when the file changed meanwhile.
        """
        try:
            if self.file.stat().st_size <= PART_BYTES:
                self._send_whole()
            else:
                self._send_parts()
        except ClientError as error:
            raise UploadRefused(
                code=str(error.response["Error"].get("Code")),
                message=str(error.response["Error"].get("Message")),
                status=int(error.response["ResponseMetadata"]["HTTPStatusCode"]),
            ) from error
        except BotoCoreError as error:
            raise silence(self.url, str(error)) from error

    def _send_whole(self) -> None:
        body = self.file.read_bytes()
        self._check(hashlib.sha256(body).hexdigest())
        self.client.put_object(
            **self._object(),
            Body=body,
            ContentMD5=_md5(body),
            ContentType=_TYPE,
            Metadata={SHA256_KEY: self.sha256},
            **self._condition(),
        )

    def _send_parts(self) -> None:
        begun = self.client.create_multipart_upload(
            **self._object(), ContentType=_TYPE, Metadata={SHA256_KEY: self.sha256}
        )
        upload_id = begun["UploadId"]
        try:
            digest, parts = hashlib.sha256(), []
            for number, part in enumerate(_parts(self.file), start=1):
                digest.update(part)
                sent = self.client.upload_part(
                    **self._object(),
                    UploadId=upload_id,
                    PartNumber=number,
                    Body=part,
                    ContentMD5=_md5(part),
                )
                parts.append({"PartNumber": number, "ETag": sent["ETag"]})
            self._check(digest.hexdigest())
            self.client.complete_multipart_upload(
                **self._object(),
                UploadId=upload_id,
                MultipartUpload={"Parts": parts},
                **self._condition(),
            )
        except BaseException:
            # Parts cost money until they are aborted. If even that fails, only a lifecycle rule of
            # the bucket removes them.
            with suppress(BotoCoreError, ClientError):
                self.client.abort_multipart_upload(**self._object(), UploadId=upload_id)
            raise

    def _object(self) -> dict[str, str]:
        return {"Bucket": self.url.bucket, "Key": self.url.prefix + self.name}

    def _condition(self) -> dict[str, str]:
        return {"IfNoneMatch": "*"} if self.is_exclusive else {}

    def _check(self, found: str) -> None:
        if found != self.sha256:
            raise ArtifactCorrupt(self.name, expected=self.sha256, found=found)


def _parts(file: Path) -> Iterator[bytes]:
    with file.open("rb") as reader:
        while part := reader.read(PART_BYTES):
            yield part


def _md5(body: bytes) -> str:
    """Return the checksum that a bucket with object lock requires."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
