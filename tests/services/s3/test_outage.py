"""A store on S3 whose server stops, breaks off, or loses its answers."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from minio import Minio

from cron.errors import ArtifactCorrupt, Unavailable
from cron.ports import ArtifactStore
from cron.wiring import open_artifacts
from tests.contracts.records import start_process
from tests.contracts.test_artifact_store import PUT
from tests.servers import Servers
from tests.services.proxy import Proxy
from tests.services.s3.files import PARTS, fetch_bytes, file_of, through

OUTAGE_LIMIT_S = 60.0


def test_an_outage_is_reported_soon_and_ends_by_itself(
    servers: Servers, store: ArtifactStore, tmp_path: Path
) -> None:
    one, two = file_of(tmp_path, b"one"), file_of(tmp_path, b"two")
    store.put("a.mar", one)
    servers.s3.kill()
    try:
        for call in (
            lambda: store.put("b.mar", two),
            lambda: store.fetch("a.mar", tmp_path / "x"),
            store.names,
            lambda: store.url("a.mar"),
            lambda: store.delete("a.mar"),
        ):
            started = time.monotonic()
            with pytest.raises(
                Unavailable,
                match=r"artifact store at s3://\w+/archives on http://127[\d.:]+ does not answer",
            ):
                call()
            assert time.monotonic() - started < OUTAGE_LIMIT_S
    finally:
        servers.s3.start()
    assert not (tmp_path / "x").exists()
    assert fetch_bytes(store, "a.mar", tmp_path) == b"one"
    store.put("b.mar", two)
    assert store.names() == ("a.mar", "b.mar")


def test_a_server_killed_during_an_upload_shows_nothing(
    servers: Servers, store: ArtifactStore, url: str, proxy: Proxy, tmp_path: Path
) -> None:
    large = file_of(tmp_path, os.urandom(PARTS))
    server = servers.s3
    proxy.on_request = lambda line: server.kill() if "partNumber=2" in line else None
    try:
        with pytest.raises(Unavailable):
            open_artifacts(through(proxy, url)).put("rec-1.mar", large)
    finally:
        server.start()
    assert store.names() == ()
    store.put("rec-1.mar", large)
    assert fetch_bytes(store, "rec-1.mar", tmp_path) == large.read_bytes()


def test_a_killed_uploader_leaves_nothing_visible(
    store: ArtifactStore, url: str, proxy: Proxy, tmp_path: Path
) -> None:
    large = file_of(tmp_path, os.urandom(PARTS))
    sent = threading.Event()
    proxy.on_request = lambda line: sent.set() if "partNumber=2" in line else None
    putter = start_process(PUT, through(proxy, url), "rec-1.mar", str(large))
    assert sent.wait(240)
    putter.kill()
    putter.communicate(timeout=240)
    assert store.names() == ()
    store.put("rec-1.mar", large)
    assert fetch_bytes(store, "rec-1.mar", tmp_path) == large.read_bytes()


def test_parts_of_a_failed_upload_are_aborted(
    store: ArtifactStore, raw: Minio, url: str, proxy: Proxy, tmp_path: Path
) -> None:
    large = file_of(tmp_path, os.urandom(PARTS - 1) + b"!")

    def change_file(line: str) -> None:
        if "partNumber=1" in line:
            with large.open("r+b") as writer:
                writer.seek(PARTS - 1)
                writer.write(b"?")  # surely another byte than before

    proxy.on_request = change_file
    with pytest.raises(ArtifactCorrupt, match="expected sha256"):
        open_artifacts(through(proxy, url)).put("rec-1.mar", large)
    assert store.names() == ()
    assert [line for line in proxy.requests if line.startswith("DELETE") and "uploadId" in line]


def test_an_interrupted_answer_is_requested_again(
    store: ArtifactStore, url: str, proxy: Proxy, tmp_path: Path
) -> None:
    content = os.urandom(5_000_000)
    store.put("a.mar", file_of(tmp_path, content))
    proxy.cuts = 2
    assert fetch_bytes(open_artifacts(through(proxy, url)), "a.mar", tmp_path) == content
    proxy.cuts = 100
    into = tmp_path / "folder" / "x"
    with pytest.raises(Unavailable):
        open_artifacts(through(proxy, url)).fetch("a.mar", into)
    assert list(into.parent.iterdir()) == []


@pytest.mark.parametrize("size_bytes", [1000, PARTS])
def test_a_put_whose_answer_is_lost_is_done_once(
    store: ArtifactStore, url: str, proxy: Proxy, tmp_path: Path, size_bytes: int
) -> None:
    file = file_of(tmp_path, os.urandom(size_bytes))
    store.names()
    proxy.lost = 1
    open_artifacts(through(proxy, url)).put("rec-1.mar", file)
    assert fetch_bytes(store, "rec-1.mar", tmp_path) == file.read_bytes()


def test_a_server_without_s3_is_unavailable(servers: Servers, tmp_path: Path) -> None:
    (master,) = [
        option.partition("=")[2]
        for option in servers.s3.program.command
        if option.startswith("-master.port=")
    ]
    with pytest.raises(Unavailable, match="does not speak S3"):
        open_artifacts(f"s3://bucket?endpoint=http://127.0.0.1:{master}").put(
            "a", file_of(tmp_path, b"x")
        )
