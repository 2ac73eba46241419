"""A proxy for TorchServe's management: callers may look and choose the default version.

    python -m deploy.servers.management_door 8081=var/management-8081.sock [PORT=SOCKET ...]

TorchServe's whole management API, which can run code, is a Unix socket for its owner. This program
listens on a port and forwards reads and `PUT /models/MODEL/VERSION/set-default` to the socket, if
they come under a loopback name and not from a web page of another site. Everything else is refused
with a message that names the socket.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from cron.urls.management_socket import is_loopback, usable_path

LIMIT_S = 10.0  # for reading a whole request, and for TorchServe's answer
MAX_CALLS = 16  # at once; others wait for a free one
MAX_LINE_BYTES = 65_536
_NAME = r"[A-Za-z0-9._~%-]+"
_READ = re.compile(rf"/models(/{_NAME}){{0,2}}/?(\?[A-Za-z0-9._~%=&-]*)?")
_SET_DEFAULT = re.compile(rf"/models/{_NAME}/[0-9]+/set-default")
_PASSED_ON = ("Authorization", "Accept")  # to TorchServe
_PASSED_BACK = ("Content-Type",)
# Sec-Fetch-Site of a typed address, and of a page that this proxy itself served
_OWN_PAGES = ("none", "same-origin")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagementCall:
    """What decides whether a request may pass."""

    method: str
    target: str
    headers: Message


def why_not(call: ManagementCall) -> str | None:
    """Return why a request is refused; None when it may pass."""
    hosts = call.headers.get_all("Host", [])
    if len(hosts) != 1 or not _names_loopback(hosts[0]):
        return f"Host is {_display(hosts)}, not a loopback name (127.0.0.1, localhost, [::1])"
    for origin in call.headers.get_all("Origin", []):
        if origin != f"http://{hosts[0]}":
            return f"Origin is {_display([origin])}: a web page of another site called"
    for site in call.headers.get_all("Sec-Fetch-Site", []):
        if site not in _OWN_PAGES:
            return f"Sec-Fetch-Site is {_display([site])}: a web page of another site called"
    # TorchServe takes /token, anywhere in the path, for the call that makes new keys.
    if "/token" not in call.target.lower():
        if call.method == "GET" and _READ.fullmatch(call.target):
            return None
        if call.method == "PUT" and _SET_DEFAULT.fullmatch(call.target):
            return None
    return "only GET /models… and PUT /models/MODEL/VERSION/set-default are allowed here"


def _names_loopback(host: str) -> bool:
    try:
        parts = urlsplit(f"//{host}")
        return parts.netloc == host and parts.username is None and is_loopback(parts.hostname or "")
    except ValueError:  # a bracket too many
        return False


def _display(values: Sequence[str]) -> str:
    return ascii(values[0])[:80] if len(values) == 1 else f"given {len(values)} times"


Connection = socket.socket | tuple[bytes, socket.socket]
Address = tuple[str, int] | str  # what socketserver's types allow


class SocketConnection(HTTPConnection):
    """HTTP through a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=LIMIT_S)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT_S)
        self.sock.connect(self._path)


class Door(ThreadingHTTPServer):
    """One port in front of one socket."""

    daemon_threads = True
    # With the base class's 5, one of several simultaneous clients waits a second to connect.
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], managed: Path, *, limit_s: float = LIMIT_S
    ) -> None:
        self.limit_s = limit_s
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.managed = managed
        self.path = usable_path(managed)
        self._free = threading.BoundedSemaphore(MAX_CALLS)
        super().__init__(address, Request)

    def process_request(self, request: Connection, client_address: Address) -> None:
        """Answer in a new thread, once fewer than MAX_CALLS run."""
        self._free.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Connection, client_address: Address) -> None:
        """Answer, and free the thread's place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()


class Request(BaseHTTPRequestHandler):
    """One request per connection, which ends with the answer.

    So a body can't hide a second request.
    """

    server: Door
    server_version, sys_version = "freshet", ""

    def setup(self) -> None:
        """Limit each wait for the client, and all of them together by an alarm.

        Without the alarm, a client that sends a byte now and then would keep a thread for days.
        """
        super().setup()
        self.connection.settimeout(self.server.limit_s)
        self._is_late = False
        self._alarm = threading.Timer(self.server.limit_s, self._stop_reading)
        self._alarm.daemon = True
        self._alarm.start()

    def handle_one_request(self) -> None:
        """Handle one request of any method.

        The base class answers an unknown method with 501 and no reason.
        """
        self.raw_requestline = self.rfile.readline(MAX_LINE_BYTES)
        if self.raw_requestline and self.parse_request():
            self._read_body()
            self._alarm.cancel()
            if not self._is_late:
                self._answer()
        self.close_connection = True

    def finish(self) -> None:
        """Close."""
        self._alarm.cancel()
        super().finish()

    def _stop_reading(self) -> None:
        self._is_late = True
        with suppress(OSError):  # it is closed already
            self.connection.shutdown(socket.SHUT_RD)

    def _read_body(self) -> None:
        """Read a small body and discard it: closing with unread bytes may lose the answer."""
        length = self.headers.get("Content-Length", "0")
        is_short = length.isdecimal() and len(length) <= len(str(MAX_LINE_BYTES))
        if is_short and int(length) <= MAX_LINE_BYTES:
            self.rfile.read(int(length))

    def _answer(self) -> None:
        refused = why_not(
            ManagementCall(method=self.command, target=self.path, headers=self.headers)
        )
        if refused is not None:
            self._send_error(
                HTTPStatus.FORBIDDEN,
                f"{refused}; the owner of TorchServe can use its socket: curl --unix-socket "
                f"{self.server.managed} http://localhost/models",
            )
            return
        connection = SocketConnection(self.server.path)
        try:
            connection.request(self.command, self.path, headers=self._passed_on())
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException) as error:
            self._send_error(
                HTTPStatus.BAD_GATEWAY,
                f"TorchServe does not answer at {self.server.managed} "
                f"({type(error).__name__}: {error}); is it running?",
            )
            return
        finally:
            connection.close()
        self._send(
            answer.status,
            content,
            {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers},
        )

    def _passed_on(self) -> dict[str, str]:
        return {name: self.headers[name] for name in _PASSED_ON if name in self.headers}

    def _send_error(self, status: HTTPStatus, message: str) -> None:
        """Send an error in TorchServe's own form."""
        error = {"code": status.value, "type": status.phrase, "message": message}
        content = json.dumps(error, indent=2, ensure_ascii=False).encode() + b"\n"
        self._send(status, content)

    def _send(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: there is no line per request."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve every port until a signal."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.servers.management_door",
        description="Let callers look at models and choose the default version.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    parser.add_argument(
        "doors",
        nargs="+",
        type=_pair,
        metavar="PORT=SOCKET",
        help="a port, and the management socket behind it",
    )
    given = parser.parse_args(arguments)
    os.umask(0o077)
    try:
        doors = [
            Door((given.host.strip("[]"), port), path.absolute()) for port, path in given.doors
        ]
    except OSError as error:
        sys.exit(f"error: {error}")
    others = [threading.Thread(target=door.serve_forever, daemon=True) for door in doors[1:]]
    for other in others:
        other.start()
    doors[0].serve_forever()


def _pair(text: str) -> tuple[int, Path]:
    port, _, path = text.partition("=")
    if not port.isdecimal() or not path:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected PORT=SOCKET, for example 8081=var/management-8081.sock"
        )
    return int(port), Path(path)


if __name__ == "__main__":
    main()
