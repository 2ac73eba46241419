"""Fixtures of the tests on S3: a store in its own bucket, its keys, a proxy, a raw client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from minio import Minio

from cron.ports import ArtifactStore
from cron.wiring import open_artifacts
from tests.servers import Servers
from tests.services.proxy import Proxy, proxy_to
from tests.services.s3.files import KEY_VARIABLES, take_keys


@pytest.fixture(autouse=True)
def keys(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Put the key pair with all rights into the environment."""
    for name in KEY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return take_keys(monkeypatch, dict(servers.s3_keys()))


@pytest.fixture
def url(servers: Servers) -> str:
    return servers.s3_store()


@pytest.fixture
def store(url: str) -> ArtifactStore:
    return open_artifacts(url)


@pytest.fixture
def proxy(servers: Servers) -> Iterator[Proxy]:
    with proxy_to(servers.s3.port) as proxy:
        yield proxy


@pytest.fixture
def raw(servers: Servers, keys: dict[str, str]) -> Minio:
    """Return a client that bypasses the port."""
    return Minio(
        f"127.0.0.1:{servers.s3.port}",
        keys["AWS_ACCESS_KEY_ID"],
        keys["AWS_SECRET_ACCESS_KEY"],
        secure=False,
        region="us-east-1",
    )
