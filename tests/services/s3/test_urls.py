"""The URLs for TorchServe: signed for its name of the server, or a shared file's name."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from cron.backends.artifacts.s3.client import archives_url
from cron.errors import ArtifactMissing, Unavailable
from cron.ports import ArtifactStore
from cron.wiring import open_artifacts
from tests.servers import Servers
from tests.services.proxy import Proxy
from tests.services.s3.files import bucket_of, file_of, through


def test_a_signed_url_follows_a_check_of_the_bytes(
    store: ArtifactStore, url: str, proxy: Proxy, tmp_path: Path
) -> None:
    store.put("rec-1-abc.mar", file_of(tmp_path, b"one"))
    behind = open_artifacts(through(proxy, url))
    signed = behind.url("rec-1-abc.mar")
    assert proxy.requests == [
        f"{method} /{bucket_of(url)}/archives/rec-1-abc.mar" for method in ("HEAD", "GET")
    ]
    assert httpx.get(signed, timeout=60).content == b"one"
    assert urlsplit(signed).path.endswith("/rec-1-abc.mar")
    assert int(parse_qs(urlsplit(signed).query)["X-Amz-Expires"][0]) <= 3600
    assert httpx.get(signed.replace("rec-1", "rec-2"), timeout=60).status_code == 403
    assert httpx.put(signed, content=b"two", timeout=60).status_code == 403
    assert signed.startswith(archives_url(through(proxy, url)))


def test_a_url_is_signed_for_torchserves_host_name(
    store: ArtifactStore, url: str, proxy: Proxy, tmp_path: Path
) -> None:
    store.put("a.mar", file_of(tmp_path, b"one"))
    public = f"{url}&public=http://127.0.0.1:{proxy.port}"
    signed = open_artifacts(public).url("a.mar")
    assert urlsplit(signed).port == proxy.port
    assert proxy.requests == []
    assert httpx.get(signed, timeout=60).content == b"one"
    assert signed.startswith(archives_url(public))


def test_a_shared_folder_gets_only_whole_verified_files(
    servers: Servers, store: ArtifactStore, url: str, tmp_path: Path
) -> None:
    store.put("a.mar", file_of(tmp_path, b"one"))
    store.put("b.mar", file_of(tmp_path, b"two"))
    folder = tmp_path / "model store"
    shared = open_artifacts(f"{url}&shared={folder}")
    assert shared.url("a.mar") == "a.mar"
    assert (folder / "a.mar").read_bytes() == b"one"
    (folder / "a.mar").write_bytes(b"on")  # cut short
    assert shared.url("a.mar") == "a.mar"
    assert (folder / "a.mar").read_bytes() == b"one"
    with pytest.raises(ArtifactMissing):
        shared.url("c.mar")
    servers.s3.kill()
    try:
        assert (
            open_artifacts(f"{url}&shared={folder}").url("a.mar") == "a.mar"
        )  # what was verified before
        with pytest.raises(Unavailable):
            shared.url("b.mar")
    finally:
        servers.s3.start()
    shared.delete("a.mar")
    assert list(folder.iterdir()) == []
