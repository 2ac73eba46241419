"""The probes of a registered version: golden requests, for their answers and their time.

Something that is not an answer says nothing about the model: it raises, and never becomes a
verdict.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from cron.errors import ServerRefused, Unanswered, Unavailable
from cron.gate.online_verdict import Probe, online_verdict
from cron.gate.verdict import Verdict
from cron.ports import ModelServer

_FIRST_ANSWER_S = 60.0  # the free text among the golden requests loads the encoder
_ANSWER_S = 10.0
_LATENCY_ROUNDS = 3  # the best one counts: a short load on the machine is no fault of the version


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A request to the endpoint and the trainer's own answer to it."""

    request: object
    answer: object


def probe(
    server: ModelServer, version: int, golden: Sequence[Golden], *, limit_ms: float
) -> Verdict:
    """Probe a version on every reachable node that has it, and return the worst node's verdict.

    Raise Unanswered when a node returns something that is not an answer, Unavailable when no node
    has the version any more.
    """
    nodes = server.nodes()
    verdicts: dict[str, Verdict] = {}
    for name, node in nodes.items():
        try:
            if len(nodes) == 1 or any(found.version == version for found in node.versions()):
                verdicts[name] = _probe_node(node, version, golden, limit_ms)
        except Unavailable:
            if len(nodes) == 1:
                raise
    if not verdicts:
        raise Unavailable(
            "every node with the new version",
            where=", ".join(nodes),
            why="no node that has it can be reached",
        )
    worst = max(verdicts, key=lambda name: _badness(verdicts[name]))
    if len(nodes) == 1:
        return verdicts[worst]
    return _with_place(verdicts[worst], f"node {worst}, the worst of {len(verdicts)}")


def _badness(verdict: Verdict) -> tuple[bool, float]:
    return not verdict.is_accepted, verdict.metrics.get("probe_p99_ms", 0.0)


def _probe_node(
    server: ModelServer, version: int, golden: Sequence[Golden], limit_ms: float
) -> Verdict:
    found = [_ask(server, version, one.request, timeout_s=_FIRST_ANSWER_S)[0] for one in golden]
    verdict = Verdict(reasons=(), metrics={})
    for _ in range(_LATENCY_ROUNDS):
        times = [_ask(server, version, one.request, timeout_s=_ANSWER_S)[1] for one in golden]
        probes = [
            Probe(expected=one.answer, found=answer, latency_ms=ms)
            for one, answer, ms in zip(golden, found, times, strict=True)
        ]
        verdict = online_verdict(probes, limit_ms=limit_ms)
        if verdict.is_accepted:
            break
    return verdict


def _ask(
    server: ModelServer, version: int, request: object, *, timeout_s: float
) -> tuple[object, float]:
    """Return an answer and the milliseconds it took.

    Raise Unanswered, or Unavailable when the whole server cannot be reached.
    """
    started = time.perf_counter()
    try:
        answer = server.predict(version, request, timeout_s=timeout_s)
    except ServerRefused as error:
        raise Unanswered(version, why=f"{error.status} {error.message}") from error
    except Unavailable as error:
        server.versions()
        raise Unanswered(version, why=str(error)) from error
    if not _is_answer(answer):
        raise Unanswered(version, why=f"status 200 with {str(answer)[:200]}")
    return answer, (time.perf_counter() - started) * 1000


def _is_answer(body: object) -> bool:
    """Return whether a body is not an error: ours has `error`, TorchServe's `code` and `type`."""
    return isinstance(body, Mapping) and "error" not in body and not {"code", "type"} <= body.keys()


def _with_place(verdict: Verdict, place: str) -> Verdict:
    reasons = [
        msgspec.structs.replace(reason, text=f"{reason.text} ({place})")
        for reason in verdict.reasons
    ]
    return msgspec.structs.replace(verdict, reasons=tuple(reasons))
