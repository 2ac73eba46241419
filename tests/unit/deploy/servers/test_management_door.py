"""Which requests the proxy for TorchServe's management forwards, and which it refuses."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from email.message import Message
from pathlib import Path

import pytest

from deploy.servers.management_door import MAX_CALLS, Door, ManagementCall, why_not

HERE = {"Host": "127.0.0.1:8081"}


def call(method: str, target: str, headers: dict[str, str]) -> ManagementCall:
    message = Message()
    for name, value in headers.items():
        message[name] = value
    return ManagementCall(method=method, target=target, headers=message)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/models"),
        ("GET", "/models?limit=5&next_page_token=2"),
        ("GET", "/models/rec"),
        ("GET", "/models/rec/all"),
        ("GET", "/models/rec?customized=true"),
        ("GET", "/models/my%20model/12"),
        ("PUT", "/models/rec/2/set-default"),
    ],
)
def test_reads_and_the_choice_of_the_default_are_forwarded(method: str, target: str) -> None:
    assert why_not(call(method, target, HERE)) is None


@pytest.mark.parametrize(
    ("method", "target"),
    [
        (
            "POST",
            "/models?url=/home/x/Downloads&handler=evil.py:handle&model_name=x&initial_workers=1",
        ),
        ("GET", "/models/rec/2/set-default"),
        ("POST", "/models/rec/2/set-default"),
        ("PUT", "/models/rec/2/set-default?min_worker=0"),
        ("PUT", "/models/rec/2/../2/set-default"),
        ("PUT", "/models/rec/all/set-default"),
        ("PUT", "/models/rec?min_worker=0&max_worker=0"),
        ("PUT", "/models/rec/2?min_worker=9"),
        ("DELETE", "/models/rec/2"),
        ("OPTIONS", "/models/rec"),
        ("HEAD", "/models"),
        ("GET", "/token?type=management"),
        ("GET", "/models/token"),
        ("GET", "/models?x=/TOKEN"),
        ("GET", "/models/rec/all/more"),
        ("GET", "http://127.0.0.1:8081/models"),
        ("GET", "//models"),
        ("GET", "/models\\rec"),
        ("GET", "/workflows"),
        ("GET", "/"),
    ],
)
def test_every_other_request_is_refused(method: str, target: str) -> None:
    assert (
        why_not(call(method, target, HERE))
        == "only GET /models… and PUT /models/MODEL/VERSION/set-default are allowed here"
    )


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8081", "[::1]:8081", "127.0.0.1", "127.8.9.1:1"]
)
def test_a_loopback_name_is_accepted(host: str) -> None:
    assert why_not(call("GET", "/models", {"Host": host})) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8081",
        "127.0.0.1.evil.example",
        "evil@127.0.0.1",
        "10.0.0.7:8081",
        "",
        "[::1",
        "127.0.0.1/evil",
        "0.0.0.0:8081",
    ],
)
def test_any_other_name_is_refused(host: str) -> None:
    """With DNS rebinding a page asks this port under its own name."""
    assert "Host is" in str(why_not(call("GET", "/models", {"Host": host})))


def test_no_host_and_two_hosts_are_refused() -> None:
    assert "Host is given 0 times" in str(why_not(call("GET", "/models", {})))
    two = Message()
    two["Host"], two["host"] = "127.0.0.1:8081", "evil.example"
    assert "Host is given 2 times" in str(
        why_not(ManagementCall(method="GET", target="/models", headers=two))
    )


@pytest.mark.parametrize(
    "header",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_web_page_of_another_site_is_refused(header: dict[str, str]) -> None:
    for method, target in (("GET", "/models"), ("PUT", "/models/rec/1/set-default")):
        assert "a web page of another site" in str(why_not(call(method, target, HERE | header)))


def test_an_address_typed_into_a_browser_is_accepted() -> None:
    assert why_not(call("GET", "/models/rec", HERE | {"Sec-Fetch-Site": "none"})) is None
    own_page = {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8081"}
    assert why_not(call("GET", "/models/rec", HERE | own_page)) is None


def test_slow_clients_do_not_keep_others_out(tmp_path: Path) -> None:
    """Sixteen slow clients once held all threads: each byte gave them ten seconds more."""
    door = Door(("127.0.0.1", 0), tmp_path / "nobody.sock", limit_s=2.0)
    thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    address = ("127.0.0.1", door.server_port)
    head = b"GET /models HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    try:
        slow = [socket.create_connection(address) for _ in range(MAX_CALLS)]
        for one in slow:
            one.sendall(head)
        with socket.create_connection(address) as other:
            other.settimeout(0.5)
            other.sendall(head + b"\r\n")
            assert b"502" in _answer_while(lambda: _drip(slow), other)
        for one in slow:
            one.close()
    finally:
        door.shutdown()
        door.server_close()
        thread.join()


def _drip(slow: Sequence[socket.socket]) -> None:
    for one in slow:
        with suppress(OSError):
            one.sendall(b"X-More: 1\r\n")


def _answer_while(drip: Callable[[], None], other: socket.socket) -> bytes:
    for _ in range(40):  # at 100 headers the parser itself would end the slow ones
        drip()
        with suppress(TimeoutError):
            return other.recv(100)
    return b"none within 20 s"
