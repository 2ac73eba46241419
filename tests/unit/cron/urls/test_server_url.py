"""The torchserve URL: one node or several, and wrong URLs."""

from __future__ import annotations

from pathlib import Path

import pytest

from cron.errors import SettingsError
from cron.urls.torchserve import parse as parse_nodes
from cron.wiring import open_server


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "torchserve://127.0.0.1:8081/rec?inference=8080",
            [("127.0.0.1:8081", "http://127.0.0.1:8080/predictions/rec", None)],
        ),
        (
            "torchserve://[::1]/my%20model?inference=9&keys=/k.json",
            [("[::1]:8081", "http://[::1]:9/predictions/my%20model", "/k.json")],
        ),
        (
            "torchserve://a,b:9081/rec",
            [
                ("a:8081", "http://a:8080/predictions/rec", None),
                ("b:9081", "http://b:8080/predictions/rec", None),
            ],
        ),
        (
            "torchserve://[::1]:1,[::2]:1/rec?inference=2,3&keys=/a,/b",
            [
                ("[::1]:1", "http://[::1]:2/predictions/rec", "/a"),
                ("[::2]:1", "http://[::2]:3/predictions/rec", "/b"),
            ],
        ),
        (
            "torchserve://a:1,a:2/rec?inference=3,4&keys=/both",
            [
                ("a:1", "http://a:3/predictions/rec", "/both"),
                ("a:2", "http://a:4/predictions/rec", "/both"),
            ],
        ),
    ],
)
def test_each_node_has_its_places(url: str, expected: list[tuple[str, str, str | None]]) -> None:
    nodes = parse_nodes(url)
    assert [(node.address, node.predictions) for node in nodes] == [
        (address, answers) for address, answers, _ in expected
    ]
    assert [node.keys and str(node.keys) for node in nodes] == [keys for *_, keys in expected]


def test_a_node_of_this_host_is_managed_through_its_socket() -> None:
    here, other = parse_nodes("torchserve://127.0.0.1:8091,ts-2:8081/rec", var=Path("/srv/var"))
    assert (here.socket, other.socket) == (Path("/srv/var/management-8091.sock"), None)
    assert [
        node.socket for node in parse_nodes("torchserve://localhost,[::1]/rec", var=Path("/v"))
    ] == [Path("/v/management-8081.sock")] * 2


def test_a_socket_can_be_named() -> None:
    nodes = parse_nodes(
        "torchserve://a,b:9081/rec?socket=/run/a.sock,/run/b.sock", var=Path("/srv/var")
    )
    assert [node.socket for node in nodes] == [Path("/run/a.sock"), Path("/run/b.sock")]


WRONG = [
    "torchserve://h:8081/",
    "torchserve:///rec",
    "torchserve://h/a/b",
    "torchserve://h:x/rec",
    "torchserve://h:99999/rec",
]
WRONG += [
    f"torchserve://h/rec?{option}"
    for option in (
        "inference=x",
        "inference=0",
        "tls=true",
        "keys=var/keys.json",
        "keys=",
        "socket=",
        "socket=a.sock",
    )
]
WRONG += [
    f"torchserve://{places}/rec"
    for places in ("a,", ",a", "a,,b", "a:1,a:1", "user:word@a", "[::1", "a b")
]
WRONG += [
    f"torchserve://a,b/rec?{option}"
    for option in ("inference=1,2,3", "inference=1,", "keys=/a,", "keys=/a,b")
]


@pytest.mark.parametrize("url", WRONG)
def test_a_wrong_url_says_what_is_expected(url: str) -> None:
    with pytest.raises(
        SettingsError, match=r"store\.server = .*expected torchserve://HOST:MANAGEMENT_PORT/MODEL"
    ):
        open_server(url, var=Path("/nowhere"), drain_timeout_s=1.0)
