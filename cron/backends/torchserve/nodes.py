"""The ModelServer port over several nodes: each call goes to all of them at once.

Nodes that are away are left out of a call; who reconciles brings them up to date when they return.
Knows the port, not TorchServe.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from typing import TypeVar

from cron.errors import ServerRefused, Unavailable
from cron.ports import ModelServer, ServerMemory, ServerVersion

Answer = TypeVar("Answer")

_LAGGARD_S = (
    0.3  # a switch takes a node milliseconds; one that hangs is set right when it answers again
)


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
        took, refused = self._ask(lambda node: node.register(version, url), before)
        if refused:
            self._take_back(version, [name for name in took if not before[name]])
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
                if error.status not in (
                    404,
                    503,
                ):  # not there, or without a worker: another node may have it
                    break
        if not refused:
            raise self._all_away(away)
        raise _refusal(version, refused)

    def set_live(self, version: int) -> None:
        """See the port; a node that is much slower than another counts as away, since a rollback must not wait for it."""
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
            _joined(version, [found.get(version) for found in seen]) for version in everywhere
        )

    def memory(self) -> ServerMemory | None:
        """See the port."""
        told = [
            found
            for found in self._from_all(lambda node: node.memory()).values()
            if found is not None
        ]
        return min(told, key=lambda found: found.left_bytes - found.taken_bytes, default=None)

    def unregister(self, version: int) -> None:
        """See the port; where it is not the default it goes, even when another node refuses."""
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

    def _take_back(self, version: int, names: Collection[str]) -> None:
        """Unregister a version where it was taken; what can't be done now is done when the next run tidies up."""
        if names:
            with suppress(Unavailable):
                self._ask(lambda node: node.unregister(version), names)

    def _from_all(self, ask: Callable[[ModelServer], Answer]) -> dict[str, Answer]:
        """Ask every node for something that none may refuse; raise what one said that did."""
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
        """Return what the nodes answered and what those said that refused, by address; raise Unavailable when all are away.

        With `wait_s` the others are waited for no longer than that once a node has answered.
        """
        answers: dict[str, Answer] = {}
        refused: dict[str, ServerRefused] = {}
        away: list[str] = []
        calls = {_called(ask, self._nodes[name]): name for name in names}
        for call in _ended(calls, wait_s):
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


def _called(ask: Callable[[ModelServer], Answer], node: ModelServer) -> Future[Answer]:
    """Start a call in a thread of its own, for which neither the caller nor the end of the process has to wait."""
    call: Future[Answer] = Future()

    def run() -> None:
        try:
            call.set_result(ask(node))
        except BaseException as error:  # whoever asks for the result gets it
            call.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return call


def _ended(calls: Collection[Future[Answer]], wait_s: float | None) -> Collection[Future[Answer]]:
    """Return the calls that have ended, in their order: all, or those that did within `wait_s` of the first answer."""
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
    """Return what the first node said, with its name."""
    name, error = next(iter(refused.items()))
    return ServerRefused(version, status=error.status, message=f"{error.message} (node {name})")


def _find(node: ModelServer, version: int) -> ServerVersion | None:
    return next((found for found in node.versions() if found.version == version), None)


def _joined(version: int, found: list[ServerVersion | None]) -> ServerVersion:
    there = [one for one in found if one is not None]
    return ServerVersion(
        version=version,
        ready_workers=min(
            0 if one is None or not one.ready else one.ready_workers for one in found
        ),
        min_workers=max(one.min_workers for one in there),
        pending_requests=sum(one.pending_requests for one in there),
    )
