"""The ModelServer port over several nodes: each call goes to all of them at once.

Nodes that are away are left out of a call; reconciling brings them up to date when they return.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from typing import TypeVar

from cron.errors import ServerRefused, Unavailable
from cron.ports import ModelServer
from cron.server_versions import ServerMemory, ServerVersion

Answer = TypeVar("Answer")

_LAGGARD_S = 0.3  # a switch takes milliseconds; a node that hangs is corrected when it answers


class ServerNodes:
    """Several nodes by address, in the order of the URL."""

    def __init__(self, nodes: Mapping[str, ModelServer]) -> None:
        self._nodes = dict(nodes)

    def nodes(self) -> Mapping[str, ModelServer]:
        """See the port."""
        return self._nodes

    def register(self, version: int, url: str) -> None:
        """See the port."""
        before = self._from_all(lambda node: _find(node, version) is not None)
        registered, refused = self._ask(lambda node: node.register(version, url), before)
        if refused:
            self._take_back(version, [name for name in registered if not before[name]])
            raise _refusal(version, refused)

    def predict(self, version: int | None, body: object, *, timeout_s: float) -> object:
        """See the port; the first node that has the version answers."""
        refused: dict[str, ServerRefused] = {}
        away: list[str] = []
        for name, node in self._nodes.items():
            try:
                return node.predict(version, body, timeout_s=timeout_s)
            except Unavailable as error:
                away.append(str(error))
            except ServerRefused as error:
                refused[name] = error
                # 404 not registered, 503 without a worker: another node may have the version
                if error.status not in (404, 503):
                    break
        if not refused:
            raise self._all_away(away)
        raise _refusal(version, refused)

    def set_live(self, version: int) -> None:
        """See the port; a rollback must not wait, so a much slower node counts as away."""
        found, refused = self._ask(
            lambda node: _find(node, version), self._nodes, wait_s=_LAGGARD_S
        )
        if refused:
            raise _refusal(version, refused)
        ready = [name for name, one in found.items() if one is not None and one.ready]
        _, refused = self._ask(
            lambda node: node.set_live(version), ready or found, wait_s=_LAGGARD_S
        )
        if refused:
            raise _refusal(version, refused)

    def live(self) -> int | None:
        """See the port."""
        defaults = set(self._from_all(lambda node: node.live()).values())
        return defaults.pop() if len(defaults) == 1 else None

    def versions(self) -> tuple[ServerVersion, ...]:
        """See the port."""
        seen = [
            {one.version: one for one in found}
            for found in self._from_all(lambda node: node.versions()).values()
        ]
        everywhere = sorted({version for found in seen for version in found})
        return tuple(
            _merge(version, [found.get(version) for found in seen]) for version in everywhere
        )

    def memory(self) -> ServerMemory | None:
        """See the port."""
        memories = self._from_all(lambda node: node.memory()).values()
        known = [memory for memory in memories if memory is not None]
        return min(known, key=lambda memory: memory.left_bytes - memory.taken_bytes, default=None)

    def unregister(self, version: int) -> None:
        """See the port; nodes where it is not the default unregister it even if another refuses."""
        defaults = self._from_all(lambda node: node.live())
        _, refused = self._ask(
            lambda node: node.unregister(version),
            [name for name, live in defaults.items() if live != version],
        )
        kept = [name for name, live in defaults.items() if live == version]
        if kept:
            message = (
                f"the version is the default on {' and '.join(kept)}; make another one live first"
            )
            raise ServerRefused(version, status=403, message=message)
        if refused:
            raise _refusal(version, refused)

    def unregister_all(self) -> None:
        """See the port."""
        self._from_all(lambda node: node.unregister_all())

    def _take_back(self, version: int, names: Collection[str]) -> None:
        """Unregister a version on these nodes.

        What fails now is repeated when the next run cleans up.
        """
        if names:
            with suppress(Unavailable):
                self._ask(lambda node: node.unregister(version), names)

    def _from_all(self, ask: Callable[[ModelServer], Answer]) -> dict[str, Answer]:
        """Ask every node; raise ServerRefused when one refuses."""
        answers, refused = self._ask(ask, self._nodes)
        if refused:
            raise _refusal(None, refused)
        return answers

    def _ask(
        self,
        ask: Callable[[ModelServer], Answer],
        names: Collection[str],
        *,
        wait_s: float | None = None,
    ) -> tuple[dict[str, Answer], dict[str, ServerRefused]]:
        """Return the nodes' answers and refusals, by address; raise Unavailable if all are away.

        With `wait_s`, wait at most that long for the others once a node has answered.
        """
        answers: dict[str, Answer] = {}
        refused: dict[str, ServerRefused] = {}
        away: list[str] = []
        calls = {_start_call(ask, self._nodes[name]): name for name in names}
        for call in _finished_calls(calls, wait_s):
            try:
                answers[calls[call]] = call.result()
            except ServerRefused as error:
                refused[calls[call]] = error
            except Unavailable as error:
                away.append(str(error))
        if names and not answers and not refused:
            raise self._all_away(away)
        return answers, refused

    def _all_away(self, why: Collection[str]) -> Unavailable:
        return Unavailable(
            "every TorchServe node", where=", ".join(self._nodes), why="; ".join(why)
        )


def _start_call(ask: Callable[[ModelServer], Answer], node: ModelServer) -> Future[Answer]:
    """Start a call in a daemon thread; neither the caller nor the process's exit waits for it."""
    call: Future[Answer] = Future()

    def run() -> None:
        try:
            call.set_result(ask(node))
        except BaseException as error:  # raised by `result`
            call.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return call


def _finished_calls(
    calls: Collection[Future[Answer]], wait_s: float | None
) -> Collection[Future[Answer]]:
    """Return the finished calls, in order: all, or those within `wait_s` of the first answer."""
    if wait_s is not None:
        left, answered = set(calls), False
        while left and not answered:
            done, left = wait(left, return_when=FIRST_COMPLETED)
            answered = any(call.exception() is None for call in done)
        wait(left, timeout=wait_s)
        return [call for call in calls if call.done()]
    wait(calls)
    return calls


def _refusal(version: int | None, refused: Mapping[str, ServerRefused]) -> ServerRefused:
    """Return the first node's refusal, with the node's name."""
    name, error = next(iter(refused.items()))
    return ServerRefused(version, status=error.status, message=f"{error.message} (node {name})")


def _find(node: ModelServer, version: int) -> ServerVersion | None:
    return next((found for found in node.versions() if found.version == version), None)


def _merge(version: int, found: list[ServerVersion | None]) -> ServerVersion:
    registered = [one for one in found if one is not None]
    return ServerVersion(
        version=version,
        ready_workers=min(map(_ready_workers, found)),
        min_workers=max(one.min_workers for one in registered),
        pending_requests=sum(one.pending_requests for one in registered),
    )


def _ready_workers(found: ServerVersion | None) -> int:
    return found.ready_workers if found is not None and found.ready else 0
