"""Files, keys and URLs for the tests on S3."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cron.ports import ArtifactStore
from tests.servers import unique
from tests.services.proxy import Proxy

PARTS = 40_000_000  # bytes of an upload in three parts
KEY_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "MINIO_ACCESS_KEY",
    "MINIO_SECRET_KEY",
    "SSL_CERT_FILE",
)


def take_keys(monkeypatch: pytest.MonkeyPatch, keys: dict[str, str]) -> dict[str, str]:
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    return keys


def through(proxy: Proxy, url: str) -> str:
    return url.replace(f":{proxy.to_port}", f":{proxy.port}")


def bucket_of(url: str) -> str:
    return urlsplit(url).netloc


def file_of(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / unique("file")
    path.write_bytes(content)
    return path


def fetch_bytes(store: ArtifactStore, name: str, tmp_path: Path) -> bytes:
    into = tmp_path / unique("fetch_bytes")
    store.fetch(name, into)
    return into.read_bytes()


def resolve_to_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve BUCKET.localhost, as a wildcard record of a real domain would."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: resolve(
            "127.0.0.1" if str(host).endswith("localhost") else host, *rest, **more
        ),
    )
