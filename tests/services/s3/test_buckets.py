"""Buckets: missing, shared with others, full, with versions, locked, in the host name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from minio import Minio
from minio.commonconfig import ENABLED, GOVERNANCE
from minio.objectlockconfig import DAYS, ObjectLockConfig
from minio.versioningconfig import VersioningConfig

from cron.errors import ArtifactConflict, ArtifactMissing
from cron.ports import ArtifactStore
from cron.wiring import open_artifacts
from tests.servers import Servers
from tests.services.proxy import Proxy
from tests.services.s3.files import (
    PARTS,
    bucket_of,
    fetch_bytes,
    file_of,
    resolve_to_loopback,
    through,
)


def test_a_missing_bucket_is_created_by_the_first_put(
    store: ArtifactStore, raw: Minio, url: str, tmp_path: Path
) -> None:
    assert store.names() == ()
    store.delete("a.mar")
    with pytest.raises(ArtifactMissing):
        store.fetch("a.mar", tmp_path / "x")
    with pytest.raises(ArtifactMissing):
        store.url("a.mar")
    assert not raw.bucket_exists(bucket_of(url))
    store.put("a.mar", file_of(tmp_path, b"one"))
    assert raw.bucket_exists(bucket_of(url))


def test_the_prefix_separates_stores(
    store: ArtifactStore, url: str, raw: Minio, tmp_path: Path
) -> None:
    others = open_artifacts(url.replace("/archives", "/archives-2/%C3%BC"))
    store.put("a.mar", file_of(tmp_path, b"one"))
    others.put("a.mar", file_of(tmp_path, b"two"))
    assert (store.names(), others.names()) == (("a.mar",), ("a.mar",))
    assert fetch_bytes(others, "a.mar", tmp_path) == b"two"
    assert {found.object_name for found in raw.list_objects(bucket_of(url), recursive=True)} == {
        "archives/a.mar",
        "archives-2/ü/a.mar",
    }


def test_foreign_objects_are_never_overwritten(
    store: ArtifactStore, url: str, raw: Minio, tmp_path: Path
) -> None:
    raw.make_bucket(bucket_of(url))
    raw.fput_object(bucket_of(url), "archives/a.mar", str(file_of(tmp_path, b"theirs")))
    with pytest.raises(ArtifactMissing, match="not put by Freshet"):
        store.fetch("a.mar", tmp_path / "x")
    with pytest.raises(ArtifactMissing):
        store.url("a.mar")
    with pytest.raises(ArtifactConflict):
        store.put("a.mar", file_of(tmp_path, b"ours"))
    store.put("a.mar", file_of(tmp_path, b"theirs"))  # the same bytes: it becomes one
    assert fetch_bytes(store, "a.mar", tmp_path) == b"theirs"


def test_thousands_of_names_come_page_by_page(
    store: ArtifactStore, raw: Minio, url: str, tmp_path: Path, proxy: Proxy
) -> None:
    first = file_of(tmp_path, b"x")
    store.put("journal/00000", first)
    for number in range(1, 2_100):
        raw.fput_object(bucket_of(url), f"archives/journal/{number:05}", str(first))
    names = open_artifacts(through(proxy, url)).names("journal/")
    assert names == tuple(f"journal/{number:05}" for number in range(2_100))
    assert len(proxy.requests) == 3


def test_a_bucket_with_versions(store: ArtifactStore, url: str, raw: Minio, tmp_path: Path) -> None:
    raw.make_bucket(bucket_of(url))
    raw.set_bucket_versioning(bucket_of(url), VersioningConfig(ENABLED))
    goes_and_comes_back(store, tmp_path)


def test_a_bucket_with_object_lock(
    store: ArtifactStore, url: str, raw: Minio, tmp_path: Path
) -> None:
    raw.make_bucket(bucket_of(url), object_lock=True)
    raw.set_object_lock_config(bucket_of(url), ObjectLockConfig(GOVERNANCE, 1, DAYS))
    goes_and_comes_back(store, tmp_path)


def test_the_bucket_in_the_host_name(
    servers: Servers, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to_loopback(monkeypatch)
    by_path, by_host = (
        open_artifacts(url),
        open_artifacts(url.replace("127.0.0.1", "localhost") + "&style=virtual"),
    )
    by_path.put("a.mar", file_of(tmp_path, b"one"))
    large = file_of(tmp_path, os.urandom(PARTS))
    by_host.put("b/ü.mar", large)
    assert fetch_bytes(by_host, "a.mar", tmp_path) == b"one"
    assert fetch_bytes(by_path, "b/ü.mar", tmp_path) == large.read_bytes()
    assert by_host.names() == ("a.mar", "b/ü.mar")
    assert by_host.url("a.mar").startswith(
        f"http://{bucket_of(url)}.localhost:{servers.s3.port}/archives/a.mar?"
    )


def goes_and_comes_back(store: ArtifactStore, tmp_path: Path) -> None:
    one, large = file_of(tmp_path, b"one"), file_of(tmp_path, os.urandom(PARTS))
    store.put("a.mar", one)
    store.put("a.mar", one)
    store.put("b.mar", large)
    with pytest.raises(ArtifactConflict):
        store.put("a.mar", large)
    store.delete("a.mar")
    assert store.names() == ("b.mar",)
    with pytest.raises(ArtifactMissing):
        store.fetch("a.mar", tmp_path / "x")
    store.put("a.mar", large)
    assert fetch_bytes(store, "a.mar", tmp_path) == large.read_bytes()
