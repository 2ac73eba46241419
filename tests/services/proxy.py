"""An HTTP proxy that counts requests, breaks connections, or removes features.

The `Host` header passes through, since requests are signed with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NOT_IMPLEMENTED = (
    b"<Error><Code>NotImplemented</Code>"
    b"<Message>A header implies what this server does not do</Message></Error>"
)
_HOP = {"connection", "transfer-encoding", "keep-alive"}


@dataclass(kw_only=True)
class Proxy:
    """A running proxy. What a test sets counts from the next request on."""

    port: int
    to_port: int
    requests: list[str] = field(default_factory=list)  # "HEAD /bucket/name"
    refuses_conditions: bool = False
    cuts: int = 0  # how many answers to GET are cut off half-way
    lost: int = 0  # how many answers to PUT never arrive, though the server stored the object
    on_request: Callable[[str], None] = lambda _line: None


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """Start a proxy on a free port of loopback."""
    state = Proxy(port=0, to_port=port)

    class ProxyHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _pass_on(self, state)

        do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), ProxyHandler)
    server.daemon_threads = True
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _pass_on(handler: BaseHTTPRequestHandler, state: Proxy) -> None:
    line = f"{handler.command} {handler.path}"
    state.requests.append(line)
    state.on_request(line)
    body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    headers = {name: value for name, value in handler.headers.items() if name.lower() not in _HOP}
    if "If-None-Match" in headers and state.refuses_conditions:
        _answer(handler, 501, {"Content-Type": "application/xml"}, NOT_IMPLEMENTED)
        return
    connection = HTTPConnection("127.0.0.1", state.to_port, timeout=60)
    try:
        connection.request(handler.command, handler.path, body=body or None, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        answered = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
        _answer_or_break(handler, state, answer.status, answered, content)
    finally:
        connection.close()


def _answer_or_break(
    handler: BaseHTTPRequestHandler,
    state: Proxy,
    status: int,
    headers: dict[str, str],
    content: bytes,
) -> None:
    if handler.command == "GET" and state.cuts and len(content) > 1:
        state.cuts -= 1
        _answer(handler, status, headers, content, sent=len(content) // 2)
        handler.close_connection = True
    elif handler.command == "PUT" and state.lost:
        state.lost -= 1
        handler.close_connection = True
    else:
        _answer(handler, status, headers, content)


def _answer(
    handler: BaseHTTPRequestHandler,
    status: int,
    headers: dict[str, str],
    content: bytes,
    *,
    sent: int | None = None,
) -> None:
    handler.send_response_only(status)
    for name, value in headers.items():
        if name.lower() != "content-length" or handler.command == "HEAD":
            handler.send_header(name, value)
    if handler.command != "HEAD" and status != 204:
        handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(content[:sent])
