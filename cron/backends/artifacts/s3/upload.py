"""One upload: whole or in parts, under a name that must be free. What is visible is whole.

Memory holds one part. The public `put_object` of `minio` 7.2 can't send a condition, hence its
`_execute`; the contract suite and an exact pin watch over that.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from minio import Minio
from minio.error import MinioException
from urllib3.exceptions import HTTPError

from cron.errors import ArtifactCorrupt

Headers = dict[str, str | list[str] | tuple[str]]

PART_BYTES = 16 << 20  # 10,000 parts are allowed, so files up to 160 GB
SHA256_HEADER = "x-amz-meta-sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file on its way; `is_exclusive` asks the server to refuse when the key is taken already."""

    client: Minio
    bucket: str
    key: str
    name: str
    file: Path
    sha256: str
    is_exclusive: bool

    def send(self) -> None:
        """Upload; raise what the client raises, or ArtifactCorrupt when the file changed meanwhile. Nothing is then visible."""
        if self.file.stat().st_size <= PART_BYTES:
            body = self.file.read_bytes()
            self._check(hashlib.sha256(body).hexdigest())
            self._call("PUT", body, {**self._description(), **self._condition()})
        else:
            self._send_parts()

    def _send_parts(self) -> None:
        begun = self._call("POST", None, self._description(), {"uploads": ""})
        upload_id = _text(begun, "UploadId")
        try:
            digest, tags = hashlib.sha256(), []
            for number, part in enumerate(_parts(self.file), start=1):
                digest.update(part)
                tags.append(
                    self._send_part(part, {"partNumber": str(number), "uploadId": upload_id})
                )
            self._check(digest.hexdigest())
            headers = {"Content-Type": "application/xml", **self._condition()}
            self._call("POST", _completion(tags), headers, {"uploadId": upload_id})
        except BaseException:
            # Parts cost money until they are aborted. Where even that fails, a lifecycle rule of
            # the bucket has the last word.
            with suppress(MinioException, HTTPError):
                self._call("DELETE", None, {}, {"uploadId": upload_id})
            raise

    def _send_part(self, part: bytes, query: dict[str, str]) -> str:
        answer = self.client._execute(
            "PUT",
            self.bucket,
            self.key,
            body=part,
            headers=_with_md5(part, {}),
            query_params=dict(query),
        )
        return str(answer.headers["etag"])

    def _call(
        self, method: str, body: bytes | None, headers: Headers, query: dict[str, str] | None = None
    ) -> bytes:
        sent = _with_md5(body, headers) if body is not None else headers
        answer = self.client._execute(
            method,
            self.bucket,
            self.key,
            body=body,
            headers=dict(sent),
            query_params=dict(query or {}),
        )
        return bytes(answer.data)

    def _description(self) -> Headers:
        return {"Content-Type": "application/octet-stream", SHA256_HEADER: self.sha256}

    def _condition(self) -> Headers:
        return {"If-None-Match": "*"} if self.is_exclusive else {}

    def _check(self, found: str) -> None:
        if found != self.sha256:
            raise ArtifactCorrupt(self.name, expected=self.sha256, found=found)


def _parts(file: Path) -> Iterator[bytes]:
    with file.open("rb") as reader:
        while part := reader.read(PART_BYTES):
            yield part


def _with_md5(body: bytes, headers: Headers) -> Headers:
    """Add the checksum without which a bucket with object lock takes nothing."""
    md5 = hashlib.md5(body, usedforsecurity=False).digest()
    return {**headers, "Content-MD5": base64.b64encode(md5).decode()}


def _completion(tags: list[str]) -> bytes:
    root = ElementTree.Element("CompleteMultipartUpload")
    for number, tag in enumerate(tags, start=1):
        part = ElementTree.SubElement(root, "Part")
        ElementTree.SubElement(part, "PartNumber").text = str(number)
        ElementTree.SubElement(part, "ETag").text = tag
    return ElementTree.tostring(root)


def _text(xml: bytes, tag: str) -> str:
    found = ElementTree.fromstring(xml).findtext(f"{{*}}{tag}")
    if not found:
        raise MinioException(f"an answer without {tag}")
    return found
