"""Calls as requests of httpx, and its responses as outcomes: what both clients share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional, TypeVar, Union

import httpx

from freshet_client.attempts import NoReply, Reply
from freshet_client.calls import Call

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Gateway:
    """Where calls go, with which headers, and how long each try may take."""

    url: str
    headers: Mapping[str, str]
    timeout_s: float

    def request(
        self, call: Call[Answer], http: Union[httpx.Client, httpx.AsyncClient]
    ) -> httpx.Request:
        """Return the request of a call, as a client of httpx sends it."""
        return http.build_request(
            call.method,
            f"{self.url}{call.path}",
            params=call.params or None,
            content=call.content,
            headers={**self.headers, **call.headers},
            timeout=self.timeout_s,
        )


def gateway_at(url: str, key: Optional[str], timeout_s: float) -> Gateway:
    """Return the gateway at a URL; raise ValueError for another URL, and for no valid key."""
    parsed = httpx.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"found {url!r}, expected a URL such as http://127.0.0.1:8000")
    if key is not None and not (key.isascii() and key.isprintable()):
        raise ValueError("key: found characters that no key has; check how it was copied")
    headers = {"User-Agent": "freshet-client", "Accept": "application/json"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    return Gateway(url.rstrip("/"), headers, timeout_s)


def reply_of(response: httpx.Response) -> Reply:
    """Return a response as an outcome."""
    return Reply(response.status_code, response.content, response.headers.get("Retry-After"))


def no_reply(error: httpx.RequestError) -> NoReply:
    """Return an error of a request as an outcome."""
    return NoReply(f"{type(error).__name__} of {error.request.url.host}: {error}")
