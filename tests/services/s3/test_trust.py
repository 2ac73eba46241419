"""Bytes in the bucket are verified before anybody runs them; every answer is closed."""

from __future__ import annotations

import io
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from minio import Minio

from cron.backends.artifacts.s3.store import SHA256_HEADER
from cron.errors import ArtifactCorrupt, ArtifactMissing, StoreError
from cron.ports import ArtifactStore
from tests.servers import Servers
from tests.services.s3.files import file_of

LARGE_BYTES = (
    8_000_000  # more than the sockets' buffers: an answer that nobody read keeps its connection
)


def test_replaced_bytes_get_no_url(
    store: ArtifactStore, raw: Minio, url: str, tmp_path: Path
) -> None:
    """Somebody who can write to the bucket can replace bytes and keep their metadata."""
    sha256 = store.put("rec-1.mar", file_of(tmp_path, b"ours"))
    raw.put_object(
        urlsplit(url).netloc,
        "archives/rec-1.mar",
        io.BytesIO(b"evil"),
        4,
        metadata={SHA256_HEADER: sha256},
    )
    for expected in (sha256, None):
        with pytest.raises(ArtifactCorrupt):
            store.url("rec-1.mar", sha256=expected)
        with pytest.raises(ArtifactCorrupt):
            store.fetch("rec-1.mar", tmp_path / "here", sha256=expected)


def test_bytes_replaced_with_their_digest_get_no_url(store: ArtifactStore, tmp_path: Path) -> None:
    sha256 = store.put("rec-1.mar", file_of(tmp_path, b"ours"))
    store.delete("rec-1.mar")
    store.put("rec-1.mar", file_of(tmp_path, b"evil"))
    with pytest.raises(ArtifactCorrupt):
        store.url("rec-1.mar", sha256=sha256)


def test_no_answer_is_left_open(
    store: ArtifactStore, raw: Minio, servers: Servers, url: str, tmp_path: Path
) -> None:
    """Each error keeps the frames of its answer; an unclosed answer keeps its connection."""
    bucket = urlsplit(url).netloc
    sha256 = store.put("damaged.mar", file_of(tmp_path, b"x" * LARGE_BYTES))
    raw.put_object(
        bucket,
        "archives/damaged.mar",
        io.BytesIO(b"y" * LARGE_BYTES),
        LARGE_BYTES,
        metadata={SHA256_HEADER: sha256},
    )
    raw.put_object(bucket, "archives/foreign.mar", io.BytesIO(b"y" * LARGE_BYTES), LARGE_BYTES)
    raw._http.clear()
    of_others = connections(servers.s3.port)
    kept: list[StoreError] = []
    for number in range(8):
        for name, wrong in (("foreign.mar", ArtifactMissing), ("damaged.mar", ArtifactCorrupt)):
            with pytest.raises(wrong) as told:
                store.fetch(name, tmp_path / f"{number}", sha256="0" * 64)
            kept.append(told.value)
    assert len(kept) == 16
    left = connections(servers.s3.port) - of_others
    assert len(left) <= 1, "the pool keeps one for the next request"


def connections(port: int) -> set[int]:
    """Return our own ports of the connections to a server; stores of other tests may have some."""
    return {
        one.laddr.port
        for one in psutil.Process().net_connections(kind="tcp")
        if one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED
    }
