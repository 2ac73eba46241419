"""The way to the model: one TorchServe, asked for its default version, or several, asked for the version that the ledger names.

Several nodes may differ in their defaults for a moment, so none is asked for its default. A node
that fails is left out for a while, and the request goes to another: asking has no effects. One that
lacks the live version, fresh from a restart, say, fails in this sense.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import aiohttp

from cron.urls.torchserve import Node as Place
from gateway.model.live_release import LiveRelease
from gateway.model.node import TOO_LATE, Answer, NoAnswer, Node, TooLarge

__all__ = ["Answer", "Inference", "NoAnswer", "TooLarge"]

_FIRST_SHARE = 0.6  # of the time that is left: a node that hangs must leave some for another
_CONNECT_SHARE = 0.25  # a host that is gone refuses nothing


class Inference:
    """Asks the model. Made inside the event loop that uses it."""

    def __init__(self, places: Sequence[Place], live: LiveRelease, *, timeout_s: float) -> None:
        # No limit of its own: the gateway's line bounds the calls. Not httpx, whose pool looks at
        # every connection for each call: 5 ms of processor time a call at 32 connections where this
        # client takes .2. What is idle for 5 s TorchServe may have closed.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=5.0)
        self._client = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar()
        )
        self._nodes = [Node(place, self._client) for place in places]
        self._live = live
        self._timeout_s = timeout_s
        self._turns = 0

    @property
    def url(self) -> str:
        """Where the first node answers, for people to try."""
        return self._nodes[0].place.predictions

    def in_service(self) -> dict[str, bool]:
        """Tell of each node whether it answers, as far as requests have shown: its newest answer counts."""
        return {node.place.address: not node.failed_last for node in self._nodes}

    def deadline(self) -> float:
        """Return until when, by time.monotonic(), a call that begins now may take."""
        return time.monotonic() + self._timeout_s

    async def predict(self, body: object, *, deadline: float | None = None) -> Answer:
        """Return the answer; raise NoAnswer for anything but a 200, or a 400 of the model's own, and TooLarge.

        A caller that asks several times for one call of its own names one deadline for all of them.
        """
        # NaN stays, and a lone surrogate is the escape that it came as: the endpoint answers those
        # with a reason, httpx would raise
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "backslashreplace"
        )
        until = self.deadline() if deadline is None else deadline
        return await (
            self._from_the_only(content, until)
            if len(self._nodes) == 1
            else self._from_any(content, until)
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def _from_the_only(self, content: bytes, deadline: float) -> Answer:
        """Ask the one node, also while it fails: there is no other to go to."""
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise NoAnswer(TOO_LATE)
        (node,) = self._nodes
        try:
            return await node.predict(content, None, timeout_s=left_s, connect_s=left_s)
        except NoAnswer:
            node.failed()
            raise

    async def _from_any(self, content: bytes, deadline: float) -> Answer:
        version = await self._live.version()
        if version is None:
            raise NoAnswer("no release is live yet")
        failed: list[Node] = []
        why = NoAnswer(TOO_LATE)
        while (left_s := deadline - time.monotonic()) > 0 and (
            node := self._next(failed)
        ) is not None:
            share = _FIRST_SHARE if len(failed) + 1 < len(self._nodes) else 1.0
            try:
                return await node.predict(
                    content, version, timeout_s=left_s * share, connect_s=left_s * _CONNECT_SHARE
                )
            except NoAnswer as error:
                why = error
                newest = await self._live.version(anew=True) if error.status == 404 else version
                if newest is not None and newest != version:
                    # it was unloaded after a switch that we had not seen: the node is not to blame
                    version = newest
                    continue
                node.failed()
                failed.append(node)
        raise why

    def _next(self, failed: Sequence[Node]) -> Node | None:
        """Return the node with the least under way, in turn among equals; one that is left out only when there is no other."""
        left = [node for node in self._nodes if node not in failed]
        if not left:
            return None
        node = min(left, key=lambda one: (one.is_out and one.out_until, one.pending, one.turn))
        self._turns += 1
        node.turn = self._turns
        return node
