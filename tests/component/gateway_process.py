"""A real gateway on a free port, with SQLite back ends and a stand-in for TorchServe.

The stand-in implements only the part of the protocol that the gateway uses. It answers what a test
sets, and records what it was asked.
"""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI

from cron import wiring
from cron.ports import START
from cron.settings.tree import GatewaySettings, Settings, StoreSettings
from gateway.app import create_app
from gateway.http.connections import ConnectionLimits
from gateway.http.server import server_config
from recommender.records.events import Record

START_LIMIT_S = 120.0  # of what takes a second on an idle machine
PLAIN = ConnectionLimits()
CLIENT_LIMIT_S = 60.0
MODEL_LIMIT_S = 60.0  # no test waits for it
HANG_LIMIT_S = 120.0  # of a stand-in that hangs, in case a test forgets it


class StandInServer(ThreadingHTTPServer):
    """A server with room for many new connections: a refused one comes again after a second."""

    request_queue_size = 128


class StandIn:
    """TorchServe's `/predictions/rec` with answers that a test sets.

    `versions` are those that it has, None for any. While `free` is cleared no call is answered.
    `delay_s` is the time before an answer, `pause_s` the time between its bytes.
    """

    def __init__(self, *, port: int = 0) -> None:
        self.status = 200
        self.versions: set[int] | None = None
        self.paths: list[str] = []
        self.free = threading.Event()  # cleared, calls hang
        self.free.set()
        self.delay_s = self.pause_s = 0.0
        self.stopped = threading.Event()
        self.body: object = {
            "items": [{"id": "7", "title": "Film 7", "score": 1.5}],
            "score": 3.5,
            "model_version": 3,
        }
        self.content: bytes | None = None  # sent as it is, in place of `body`
        self.asked: list[dict[str, object]] = []
        self.received = b""  # the newest call's body
        self.authorization: str | None = None
        self._server = StandInServer(("127.0.0.1", port), self._handler())
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop: connections are refused from now on."""
        self.free.set()
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, asked: dict[str, object]) -> tuple[int, object]:
        """Return status and body for a path, which may end in a version; at most `k` items."""
        version = path.removeprefix("/predictions/rec").removeprefix("/")
        if version and self.versions is not None and int(version) not in self.versions:
            return 404, {
                "code": 404,
                "type": "ModelVersionNotFoundException",
                "message": f"Model version: {version} does not exist",
            }
        body = self.body
        if isinstance(body, dict) and isinstance(k := asked.get("k"), int) and "items" in body:
            body = {**body, "items": body["items"][:k]}
        return self.status, {**body, "model_version": int(version)} if version and isinstance(
            body, dict
        ) else body

    def write(self, to: BufferedIOBase, content: bytes) -> None:
        """Write an answer's body, as slowly as the test wants, until the gateway hangs up."""
        parts = [content[at : at + 1] for at in range(len(content))] if self.pause_s else [content]
        with suppress(ConnectionError):
            for part in parts:
                to.write(part)
                if self.pause_s and self.stopped.wait(self.pause_s):
                    return

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                stand_in.authorization = self.headers["Authorization"]
                stand_in.received = self.rfile.read(int(self.headers["Content-Length"]))
                asked = json.loads(stand_in.received)
                stand_in.asked.append(asked)
                stand_in.paths.append(self.path)
                stand_in.free.wait(HANG_LIMIT_S)
                stand_in.stopped.wait(stand_in.delay_s)
                status, body = stand_in.answer(self.path, asked)
                content = (
                    json.dumps(body).encode() if stand_in.content is None else stand_in.content
                )
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                stand_in.write(self.wfile, content)

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        return Handler


def settings_in(
    folder: Path,
    *,
    inference_port: int,
    api_key: str | None = None,
    timeout_s: float = MODEL_LIMIT_S,
) -> Settings:
    """Return settings whose stores are in a folder."""
    return Settings(
        store=StoreSettings(
            events=f"sqlite:///{folder}/events.db",
            histories=f"sqlite:///{folder}/histories.db",
            artifacts=f"file:///{folder}/archives",
            ledger=f"sqlite:///{folder}/ledger.db",
            server=f"torchserve://127.0.0.1:{inference_port}/rec?inference={inference_port}",
            var=str(folder / "var"),
        ),
        gateway=GatewaySettings(api_key=api_key, inference_timeout_s=timeout_s),
    )


@contextmanager
def gateway(
    settings: Settings,
    *,
    port: int = 0,
    limits: ConnectionLimits = PLAIN,
    app: FastAPI | None = None,
) -> Iterator[httpx.Client]:
    """Serve a gateway, or a given one, on a free port unless one is given; yield a client."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    server = uvicorn.Server(
        server_config(app or create_app(settings), host="127.0.0.1", port=port, limits=limits)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_LIMIT_S
    while not server.started:
        assert thread.is_alive(), "the gateway did not start"
        assert time.monotonic() < deadline, "the gateway did not start in time"
        time.sleep(0.01)
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{listening.getsockname()[1]}",
            timeout=CLIENT_LIMIT_S,
            trust_env=False,
        ) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@dataclass(frozen=True, kw_only=True)
class RunningGateway:
    """A running gateway, its settings and the stand-in for its model server."""

    client: httpx.Client
    settings: Settings
    model: StandIn

    def in_service(self) -> list[bool]:
        """Return for each node what the status says of it."""
        return list(self.client.get("/v1/status").json()["in_service"].values())

    def log_records(self) -> tuple[Record, ...]:
        """Return what the event log holds."""
        return wiring.open_log(self.settings.store.events).read(START, 10_000).records


@contextmanager
def run_gateway(
    folder: Path,
    ledger: Path,
    *,
    limits: ConnectionLimits = PLAIN,
    timeout_s: float = MODEL_LIMIT_S,
) -> Iterator[RunningGateway]:
    """Serve a gateway in a folder, with a copy of a ledger and a stand-in for the model server."""
    model = StandIn()
    shutil.copy(ledger, folder / "ledger.db")
    settings = settings_in(folder, inference_port=model.port, timeout_s=timeout_s)
    with gateway(settings, limits=limits) as client:
        yield RunningGateway(client=client, settings=settings, model=model)
    model.stop()
