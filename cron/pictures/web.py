"""Fetch a picture from a web server: allowed hosts alone, at checked addresses.

A server that gave an ETag or a time of change is asked whether the picture is still the same.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from cron.errors import BadPicture
from cron.pictures.addresses import Resolve, address_of
from cron.pictures.originals import Original
from cron.pictures.places import place_of
from recommender.records.images import is_web_image

MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_READ_BYTES = 65_536
_AGENT = "Freshet"
_MAX_VALIDATOR_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WebRules:
    """Which hosts may be asked, and the limits of one picture, redirects included."""

    hosts: frozenset[str]
    private_hosts: frozenset[str]
    max_bytes: int
    timeout_s: float
    resolve: Resolve


def fetch_web(url: str, rules: WebRules, known: Original | None = None) -> Original | None:
    """Return what a web server has at a URL, None if it still has what is known.

    Raise BadPicture. Each redirect leads to an allowed host too, whose address is checked again.
    """
    with _Deadline(rules.timeout_s) as deadline:
        for _ in range(MAX_REDIRECTS + 1):
            found = _ask(url, rules, deadline, known)
            if not isinstance(found, str):
                return found
            url = urljoin(url, found)
            if not is_web_image(url):
                raise BadPicture("it is redirected to something that is not a URL of a picture")
    raise BadPicture(f"it is redirected more than {MAX_REDIRECTS} times")


class _Deadline:
    """Ends the connection of a fetch when its time is over, however slowly it answers."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.is_over = False
        self._timer = threading.Timer(timeout_s, self._end)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._connected: socket.socket | None = None

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    @contextmanager
    def watching(self, connected: socket.socket) -> Iterator[None]:
        """End this connection, if it is still open then."""
        with self._lock:
            self._connected = connected
            is_over = self.is_over
        try:
            if is_over:
                raise TimeoutError
            yield
        finally:
            with self._lock:
                self._connected = None

    def _end(self) -> None:
        with self._lock:
            self.is_over = True
            if self._connected is not None:
                with suppress(OSError):  # past TLS, whose own farewell could wait
                    socket.socket.shutdown(self._connected, socket.SHUT_RDWR)


def _ask(
    url: str, rules: WebRules, deadline: _Deadline, known: Original | None
) -> Original | str | None:
    """Return what a URL has, where it is redirected to, or None if it is the same as known."""
    place, parts = place_of(url), urlsplit(url)
    if place not in rules.hosts | rules.private_hosts:
        raise BadPicture(f"the host {place} is not in pictures.hosts")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = address_of(
        parts.hostname or "",
        port,
        resolve=rules.resolve,
        may_be_private=place in rules.private_hosts,
    )
    try:
        with (
            socket.create_connection((address, port), timeout=deadline.timeout_s) as plain,
            _channel(plain, parts) as connected,
            deadline.watching(connected),
        ):
            found = _read(connected, parts, rules, known)
    except (BadPicture, OSError, http.client.HTTPException, ValueError) as error:
        if deadline.is_over or isinstance(error, TimeoutError):
            raise BadPicture(f"{place} took longer than {deadline.timeout_s:g} s") from error
        if isinstance(error, BadPicture):
            raise
        raise BadPicture(f"{place} does not answer ({error or type(error).__name__})") from error
    if deadline.is_over:  # what was read of an answer without a length may be a part of it
        raise BadPicture(f"{place} took longer than {deadline.timeout_s:g} s")
    return found


def _channel(plain: socket.socket, parts: SplitResult) -> socket.socket:
    """Return the connection to read from: for https one that verifies the host's certificate."""
    if parts.scheme == "http":
        return plain
    context = ssl.create_default_context()
    return context.wrap_socket(plain, server_hostname=parts.hostname, do_handshake_on_connect=False)


def _read(
    connected: socket.socket, parts: SplitResult, rules: WebRules, known: Original | None
) -> Original | str | None:
    if isinstance(connected, ssl.SSLSocket):
        connected.do_handshake()
    connection = http.client.HTTPConnection(parts.hostname or "", timeout=rules.timeout_s)
    connection.sock = connected  # the address that was checked; the host is not looked up again
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    headers = {"Host": parts.netloc, "User-Agent": _AGENT, "Accept": "image/*"}
    headers |= _conditions(known)
    connection.request("GET", target, headers=headers)
    with connection.getresponse() as response:
        location = response.getheader("Location")
        if response.status in _REDIRECTS and location:
            return location
        if response.status == http.client.NOT_MODIFIED and _conditions(known):
            return None
        if response.status != http.client.OK:
            raise BadPicture(f"{place_of(parts.geturl())} answers {response.status}")
        return Original(
            content=_content(response, rules.max_bytes),
            etag=_short(response.getheader("ETag")),
            modified=_short(response.getheader("Last-Modified")),
        )


def _conditions(known: Original | None) -> dict[str, str]:
    """Return the headers that ask for a picture only if it changed."""
    headers = {}
    if known is not None and known.etag is not None:
        headers["If-None-Match"] = known.etag
    if known is not None and known.modified is not None:
        headers["If-Modified-Since"] = known.modified
    return headers


def _short(header: str | None) -> str | None:
    """Return a header that may be sent back and stored, None for a strange one."""
    if header is None or len(header) > _MAX_VALIDATOR_CHARS or not header.isascii():
        return None
    return header if header.isprintable() else None


def _content(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    content = bytearray()
    while piece := response.read1(_READ_BYTES):
        content += piece
        if len(content) > max_bytes:
            raise BadPicture(f"it has more than {max_bytes:,} bytes")
    if response.length:  # what the header promised beyond what came
        raise BadPicture("the connection ended before the whole picture had come")
    return bytes(content)
