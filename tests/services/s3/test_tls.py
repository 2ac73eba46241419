"""A store behind TLS with a private authority."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from cron.errors import Unavailable
from cron.wiring import open_artifacts
from deploy.servers.s3 import INNER_PORTS, Tls, s3_credentials, s3_program
from tests.contracts.records import start_process, wait_for_end
from tests.contracts.test_artifact_store import PUT
from tests.ports import free_port
from tests.servers import ServerProcess, unique
from tests.services.s3.files import PARTS, fetch_bytes, file_of, take_keys


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls_server(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("tls") / "s3"
    folder.mkdir()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    port, tls = (
        free_port(),
        Tls(port=free_port(), certificate=folder / "cert.pem", key=folder / "key.pem"),
    )
    server = ServerProcess(
        s3_program(folder, port=port, inner_ports=[free_port() for _ in INNER_PORTS], tls=tls),
        port=tls.port,
        folder=folder,
    )
    server.start()
    yield server
    server.kill()


@pytest.fixture
def tls_url(tls_server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> str:
    take_keys(monkeypatch, dict(s3_credentials(tls_server.folder)))
    return f"s3://{unique()}/archives?endpoint=https://127.0.0.1:{tls_server.port}"


def test_a_private_authority_is_trusted(
    tls_server: ServerProcess, tls_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = file_of(tmp_path, os.urandom(PARTS))
    store = open_artifacts(f"{tls_url}&ca={tls_server.folder}/ca.pem")
    store.put("a.mar", file)
    assert fetch_bytes(store, "a.mar", tmp_path) == file.read_bytes()
    monkeypatch.setenv("SSL_CERT_FILE", f"{tls_server.folder}/ca.pem")
    assert open_artifacts(tls_url).names() == ("a.mar",)
    assert wait_for_end(start_process(PUT, tls_url, "a.mar", str(file)))


def test_an_unknown_authority_is_not_trusted(tls_url: str, tmp_path: Path) -> None:
    with pytest.raises(
        Unavailable, match=r"certificate.*name your own authority with ca=/PATH or SSL_CERT_FILE"
    ):
        open_artifacts(tls_url).put("a.mar", file_of(tmp_path, b"x"))
