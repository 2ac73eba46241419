"""The way to TorchServe's inference endpoint: one pooled client, one time limit.

Knows HTTP statuses; does not know what a request means.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import httpx

_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The model's answer to one body: 200 with the result, or 400 with what was wrong."""

    status: int
    body: object


class NoAnswer(Exception):
    """The model server gave no usable answer: down, slow, overloaded, or without a model."""


class Inference:
    """Asks the default version. Made inside the event loop that uses it."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self.url = url
        limits = httpx.Limits(max_connections=256, max_keepalive_connections=64)
        self._client = httpx.AsyncClient(timeout=timeout_s, limits=limits, trust_env=False)

    async def predict(self, body: object) -> Answer:
        """Return the answer; raise NoAnswer for anything but 200 and 400."""
        try:
            response = await self._post(body)
        except httpx.HTTPError as error:
            raise NoAnswer(f"the model server does not answer ({type(error).__name__})") from error
        if response.status_code not in (200, 400):
            raise NoAnswer(f"the model server answered {response.status_code}")
        try:
            return Answer(status=response.status_code, body=response.json())
        except ValueError as error:
            raise NoAnswer("the model server answered no JSON") from error

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _post(self, body: object) -> httpx.Response:
        # plain ASCII, NaN and lone surrogates included: the endpoint answers those with a reason, httpx would raise
        content = json.dumps(body).encode()
        try:
            return await self._client.post(self.url, content=content, headers=_JSON)
        except httpx.RemoteProtocolError:
            # a kept connection that the server closed meanwhile; asking is free of effects, so once more on a new one
            return await self._client.post(self.url, content=content, headers=_JSON)
