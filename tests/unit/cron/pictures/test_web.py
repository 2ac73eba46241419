"""Fetching from web servers: which hosts and addresses are asked, and what ends a fetch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cron.errors import BadPicture
from cron.pictures.addresses import address_of, is_public, look_up
from cron.pictures.originals import Original
from cron.pictures.places import ARTIFACTS, FILES, allowed_places, place_of
from cron.pictures.web import WebRules, fetch_web
from cron.settings.tree import PictureSettings
from tests.pictures import Page, PictureServer, picture_server

PICTURE = b"\x89PNG and so on"


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with picture_server({"/a.png": Page(content=PICTURE)}) as running:
        yield running


def rules(server: PictureServer, **changes: object) -> WebRules:
    given_rules = WebRules(
        hosts=frozenset(),
        private_hosts=frozenset({server.host}),
        max_bytes=1_000,
        timeout_s=60.0,
        resolve=look_up,
    )
    return replace(given_rules, **changes)  # type: ignore[arg-type]


def redirect(to: str) -> Page:
    return Page(status=302, headers={"Location": to})


def test_a_picture_of_an_allowed_host_is_fetched(server: PictureServer) -> None:
    assert fetch_web(server.url("/a.png"), rules(server)) == Original(content=PICTURE)
    server.pages["/b%20c?d=%C3%A9"] = Page(content=PICTURE)
    found = fetch_web(server.url("/b%20c?d=é#part"), rules(server))
    assert found == Original(content=PICTURE)


def test_nothing_is_asked_of_a_host_that_is_not_allowed(server: PictureServer) -> None:
    with pytest.raises(BadPicture, match=r"not in pictures\.hosts"):
        fetch_web(server.url("/a.png"), rules(server, private_hosts=frozenset()))
    assert server.asked == []


def test_an_allowed_name_may_not_lead_into_the_own_network(server: PictureServer) -> None:
    """A shop's name that points to 127.0.0.1 must not make the worker read our own pages."""
    with pytest.raises(BadPicture, match=r"127\.0\.0\.1, which is not public"):
        fetch_web(
            server.url("/a.png"),
            rules(server, private_hosts=frozenset(), hosts=frozenset({server.host})),
        )
    assert server.asked == []


def test_the_address_that_was_checked_is_the_one_asked(server: PictureServer) -> None:
    """A name that changes its address after the check (DNS rebinding) gains nothing."""
    looked_up: list[str] = []
    port = server.host.rpartition(":")[2]

    def resolve(host: str, _: int) -> Sequence[str]:
        looked_up.append(host)
        return ["127.0.0.1" if len(looked_up) == 1 else "127.0.0.2"]

    allowed = frozenset({f"rebinding.example:{port}"})
    found = fetch_web(
        f"http://rebinding.example:{port}/a.png",
        rules(server, private_hosts=allowed, resolve=resolve),
    )
    assert found == Original(content=PICTURE)
    assert looked_up == ["rebinding.example"]


def test_redirects_are_checked_like_the_first_address(server: PictureServer) -> None:
    server.pages["/moved"] = redirect("/a.png")
    server.pages["/away"] = redirect("http://169.254.169.254/latest/meta-data")
    server.pages["/file"] = redirect("file:///etc/passwd")
    server.pages["/round"] = redirect("/round")
    assert fetch_web(server.url("/moved"), rules(server)) == Original(content=PICTURE)
    for path, said in (("/away", "169.254.169.254 is not in"), ("/file", "not a URL")):
        with pytest.raises(BadPicture, match=said):
            fetch_web(server.url(path), rules(server))
    with pytest.raises(BadPicture, match="more than 3 times"):
        fetch_web(server.url("/round"), rules(server))


def test_what_is_no_answer_says_why(server: PictureServer) -> None:
    server.pages["/large"] = Page(content=b"x" * 2_000)
    server.pages["/cut"] = Page(content=b"x", headers={"Content-Length": "500"})
    for path, said in (
        ("/missing", "answers 404"),
        ("/large", "more than 1,000 bytes"),
        ("/cut", "ended before"),
    ):
        with pytest.raises(BadPicture, match=said):
            fetch_web(server.url(path), rules(server))
    closed = server.url("/a.png").replace(server.host, "127.0.0.1:9")
    with pytest.raises(BadPicture, match="does not answer"):
        fetch_web(closed, rules(server, private_hosts=frozenset({"127.0.0.1:9"})))


def test_a_slow_server_is_left_after_the_limit(server: PictureServer) -> None:
    """One byte now and then never reaches a time-out of the socket."""
    server.pages["/slow"] = Page(content=b"x" * 900, pause_s=0.05)
    endless = Page(content=b"x" * 900, pause_s=0.05, headers={"Content-Length": ""})
    server.pages["/endless"] = endless
    began = time.monotonic()
    for path in ("/slow", "/endless"):
        with pytest.raises(BadPicture, match=r"longer than 0\.3 s"):
            fetch_web(server.url(path), rules(server, timeout_s=0.3))
    assert time.monotonic() - began < 30, "each page takes 45 s"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.7",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "::ffff:10.0.0.7",
        "64:ff9b::a00:7",
        "2002:a00:7::1",
        "no address",
    ],
)
def test_these_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@given(st.ip_addresses())
def test_a_public_address_is_never_a_private_one(address: object) -> None:
    parsed = ip_address(str(address))
    assert not (is_public(str(address)) and (parsed.is_private or parsed.is_loopback))


def test_one_private_address_is_enough_to_refuse_a_host() -> None:
    with pytest.raises(BadPicture, match=r"10\.0\.0\.1"):
        address_of("a", 80, resolve=lambda *_: ["93.184.216.34", "10.0.0.1"], may_be_private=False)
    found = address_of("a", 80, resolve=lambda *_: ["93.184.216.34"], may_be_private=False)
    assert found == "93.184.216.34"


def test_a_host_that_is_not_found_says_so() -> None:
    def resolve(host: str, port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    with pytest.raises(BadPicture, match="not found"):
        address_of("nowhere.example", 80, resolve=resolve, may_be_private=False)
    with pytest.raises(BadPicture, match="no address"):
        address_of("nowhere.example", 80, resolve=lambda *_: [], may_be_private=False)


def test_places_are_hosts_with_unusual_ports_alone() -> None:
    assert place_of("https://Shop.example:443/a") == place_of("http://shop.example/a")
    assert place_of("http://shop.example:8080/a") == "shop.example:8080"
    assert place_of("http://[::1]:8080/a") == "[::1]:8080"
    assert place_of("file:///a") == FILES
    assert place_of("artifact:pictures/a") == ARTIFACTS
    assert allowed_places(PictureSettings()) == {ARTIFACTS}
    assert allowed_places(PictureSettings(hosts=("A.example",), folder="/srv")) == {
        ARTIFACTS,
        FILES,
        "a.example",
    }
