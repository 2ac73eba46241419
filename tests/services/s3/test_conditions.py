"""Two writers and one name, on servers with and without conditional puts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from minio import Minio

from cron.errors import ArtifactConflict
from cron.ports import ArtifactStore
from cron.wiring import open_artifacts
from tests.services.proxy import Proxy
from tests.services.s3.files import PARTS, bucket_of, fetch_bytes, file_of, through


@pytest.mark.parametrize("size_bytes", [1000, PARTS])
def test_names_are_never_reused_there_either(
    url: str, proxy: Proxy, tmp_path: Path, size_bytes: int
) -> None:
    proxy.refuses_conditions = True
    store = open_artifacts(through(proxy, url))
    file = file_of(tmp_path, os.urandom(size_bytes))
    store.put("a.mar", file)
    store.put("a.mar", file)
    with pytest.raises(ArtifactConflict):
        store.put("a.mar", file_of(tmp_path, b"other"))
    assert fetch_bytes(store, "a.mar", tmp_path) == file.read_bytes()


def test_a_writer_that_was_overwritten_gets_an_error(
    store: ArtifactStore, raw: Minio, url: str, proxy: Proxy, tmp_path: Path
) -> None:
    store.put("first", file_of(tmp_path, b"makes the bucket"))
    proxy.refuses_conditions = True
    looks: list[str] = []

    def overwrite(line: str) -> None:
        if line.startswith("HEAD"):
            looks.append(line)
            if len(looks) == 3:  # nothing there; conditions not offered; and now after the upload
                raw.fput_object(
                    bucket_of(url),
                    "archives/a.mar",
                    str(file_of(tmp_path, b"theirs")),
                    metadata={"sha256": "0" * 64},
                )

    proxy.on_request = overwrite
    with pytest.raises(ArtifactConflict):
        open_artifacts(through(proxy, url)).put("a.mar", file_of(tmp_path, b"ours"))


def test_conditional_puts_never_replace_an_object(
    store: ArtifactStore, url: str, proxy: Proxy, tmp_path: Path
) -> None:
    store.put("first", file_of(tmp_path, b"makes the bucket"))
    theirs = file_of(tmp_path, b"theirs")

    def be_faster(line: str) -> None:
        if line.startswith("PUT"):
            store.put("a.mar", theirs)

    proxy.on_request = be_faster
    with pytest.raises(ArtifactConflict):
        open_artifacts(through(proxy, url)).put("a.mar", file_of(tmp_path, b"ours"))
    assert fetch_bytes(store, "a.mar", tmp_path) == b"theirs"
