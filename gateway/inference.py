"""The way to TorchServe's inference endpoint: one pooled client, one time limit.

Knows HTTP statuses; does not know what a request means.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

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

    def __init__(self, url: str, *, timeout_s: float, keys: Path | None = None) -> None:
        self.url = url
        self._keys = keys
        limits = httpx.Limits(max_connections=256, max_keepalive_connections=64)
        self._client = httpx.AsyncClient(timeout=timeout_s, limits=limits, trust_env=False)

    async def predict(self, body: object) -> Answer:
        """Return the answer; raise NoAnswer for anything but a 200, or a 400 of the model's own."""
        try:
            response = await self._post(body)
        except httpx.HTTPError as error:
            raise NoAnswer(f"the model server does not answer ({type(error).__name__})") from error
        if response.status_code not in (200, 400):
            raise NoAnswer(f"the model server answered {response.status_code}")
        try:
            found: object = response.json()
        except ValueError as error:
            raise NoAnswer("the model server answered no JSON") from error
        if response.status_code == 400 and not (isinstance(found, dict) and "error" in found):
            raise NoAnswer(f"the model server refused the call ({_message(found)})")  # TorchServe's own: a wrong key, for one
        return Answer(status=response.status_code, body=found)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _post(self, body: object) -> httpx.Response:
        # plain ASCII, NaN and lone surrogates included: the endpoint answers those with a reason, httpx would raise
        content = json.dumps(body).encode()
        headers = _JSON | self._authorization()
        try:
            return await self._client.post(self.url, content=content, headers=headers)
        except httpx.RemoteProtocolError:
            # a kept connection that the server closed meanwhile; asking is free of effects, so once more on a new one
            return await self._client.post(self.url, content=content, headers=headers)

    def _authorization(self) -> dict[str, str]:
        """Read the key anew each time, some microseconds: TorchServe makes new ones when it starts."""
        if self._keys is None:
            return {}
        try:
            return {"Authorization": f"Bearer {json.loads(self._keys.read_text())['inference']['key']}"}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NoAnswer(f"the model server's key file can't be read ({type(error).__name__})") from error


def _message(found: object) -> str:
    return str(found.get("message", "400")) if isinstance(found, dict) else "400"
