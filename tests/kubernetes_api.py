"""A small server with the part of Kubernetes' API that a provider of machines uses.

It checks each request as the real one does: the token, the group and version, JSON patches with
their content type, and selectors. The pods of a worker group follow its replicas.
"""

from __future__ import annotations

import copy
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme

CLUSTER = "/apis/ray.io/v1/namespaces/freshet/rayclusters/training"
PODS = "/api/v1/namespaces/freshet/pods"


def ray_cluster() -> dict[str, Any]:
    """Return a RayCluster with two worker groups, as far as it matters here."""
    groups = [
        {"groupName": name, "replicas": 0, "minReplicas": 0, "maxReplicas": most}
        for name, most in (("cpu", 1), ("spot-gpu", 4))
    ]
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": "training", "namespace": "freshet"},
        "spec": {"enableInTreeAutoscaling": True, "workerGroupSpecs": groups},
    }


@dataclass(slots=True)
class KubernetesApi:
    """Its URL and files, the RayCluster, and what it answers to the next requests instead."""

    root: str
    token: Path
    ca: Path
    cluster: dict[str, Any] = field(default_factory=ray_cluster)
    troubles: list[int] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    num_not_ready: int = 0

    @property
    def url(self) -> str:
        return (
            f"kuberay:freshet/training/spot-gpu?machines=2&api={self.root}"
            f"&token={self.token}&ca={self.ca}"
        )

    def group(self, name: str = "spot-gpu") -> dict[str, Any]:
        return next(
            group
            for group in self.cluster["spec"]["workerGroupSpecs"]
            if group["groupName"] == name
        )

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        """Return the status and the answer to a request."""
        parts = urlsplit(target)
        self.requests.append(f"{method} {parts.path}")
        if headers.get("Authorization") != f"Bearer {self.token.read_text().strip()}":
            return _status(401, "Unauthorized")
        if self.troubles:
            return _status(self.troubles.pop(0), "trouble")
        if method == "GET" and parts.path == PODS:
            return self._pods(parse_qs(parts.query))
        if parts.path != CLUSTER:
            return _status(404, f'rayclusters.ray.io "{parts.path}" not found')
        if method == "GET":
            return 200, self.cluster
        if headers.get("Content-Type") != "application/json-patch+json":
            return _status(415, "the body of the request was in an unknown format")
        return self._patch(json.loads(body))

    def _pods(self, query: dict[str, list[str]]) -> tuple[int, Any]:
        (selector,) = query["labelSelector"]
        labels = dict(part.split("=") for part in selector.split(","))
        assert labels["ray.io/cluster"] == "training"
        number = self.group(labels["ray.io/group"])["replicas"]
        pods = []
        for place in range(number):
            is_ready = "False" if place < self.num_not_ready else "True"
            pods.append(
                {
                    "metadata": {"name": f"worker-{place}"},
                    "status": {"conditions": [{"type": "Ready", "status": is_ready}]},
                }
            )
        going = {"metadata": {"name": "old", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        return 200, {"kind": "PodList", "items": [*pods, {**going, "status": ready}]}

    def _patch(self, changes: list[dict[str, Any]]) -> tuple[int, Any]:
        changed = copy.deepcopy(self.cluster)
        for change in changes:
            *path, last = [part for part in change["path"].split("/") if part]
            place: Any = changed
            for part in path:
                place = place[int(part)] if isinstance(place, list) else place[part]
            if change["op"] == "test":
                if place[last] != change["value"]:
                    return _status(422, "the server rejected our request: test failed")
            elif change["op"] == "add":
                place[last] = change["value"]
            else:
                return _status(400, f"unknown operation {change['op']}")
        self.cluster = changed
        return 200, changed


def _status(code: int, message: str) -> tuple[int, Any]:
    return code, {"kind": "Status", "apiVersion": "v1", "code": code, "message": message}


@contextmanager
def kubernetes_api(folder: Path) -> Iterator[KubernetesApi]:
    """Run the server on a free port of loopback, with a certificate of its own authority."""
    authority = trustme.CA()
    folder.mkdir(parents=True, exist_ok=True)
    authority.cert_pem.write_to_path(folder / "ca.crt")
    (folder / "token").write_text("of-the-service-account\n", encoding="utf-8")
    state = KubernetesApi("", folder / "token", folder / "ca.crt")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(b"")

        def do_PATCH(self) -> None:
            self._reply(self.rfile.read(int(self.headers["Content-Length"])))

        def _reply(self, body: bytes) -> None:
            code, answer = state.answer(self.command, self.path, dict(self.headers), body)
            data = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Write no log."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        state.root = f"https://127.0.0.1:{server.server_address[1]}"
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
