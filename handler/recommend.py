"""TorchServe's handler: a dynamic batch of HTTP requests in, an answer or an error for each out. Protocol only.

Knows TorchServe's context; everything about recommending is in `recommender`, which lies beside
this file in the archive. TorchServe accepts exactly one class in this module.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import torch

import recommender
from recommender.answer import Answer, answer_batch
from recommender.bundle import load_bundle
from recommender.machine_memory import available_bytes, own_bytes
from recommender.ranker import Ranker
from recommender.wire import BadRequest, Busy, JsonObject, error_body

if TYPE_CHECKING:
    from handler.context import Metrics, TorchServeContext

# past max_response_size in deploy/torchserve.properties TorchServe ends the worker, and all of its
# batch
MAX_ANSWER_BYTES = 16_000_000

log = logging.getLogger(__name__)


class Recommend:
    """One loaded release."""

    def initialize(self, context: TorchServeContext) -> None:
        """Load the bundle beside this file; refuse to start with code that is not the archive's."""
        model_dir = Path(str(context.system_properties["model_dir"])).resolve()
        code = Path(str(recommender.__file__)).resolve()
        if not code.is_relative_to(model_dir):
            raise RuntimeError(
                f"recommender comes from {code}, not from the archive at {model_dir}: start TorchServe without PYTHONPATH"
            )
        torch.set_num_threads(
            1
        )  # beside a training process, waiting for a second thread costs more than it gains
        self._version = int(str(context.manifest["model"]["modelVersion"]))
        self._name = str(context.manifest["model"]["modelName"])
        self._declare_metrics(context.metrics)
        self._ranker = Ranker(load_bundle(model_dir / "bundle"))
        answer_batch(
            self._ranker, [{"user_seq": [], "k": 1}]
        )  # the first matrix product allocates; not on a client's time

    def handle(
        self, data: Sequence[Mapping[str, object]], context: TorchServeContext
    ) -> list[bytes]:
        """Answer every request in its place. A wrong one is a 400, one that breaks us a 500; its neighbours notice neither.

        TorchServe asks alone, not in a batch, when the management API's `?customized=true` wants
        the handler to describe itself.
        """
        if len(data) == 1 and context.get_request_header(0, "describe") == "True":
            return [
                _json({"memory": {"own_bytes": own_bytes(), "available_bytes": available_bytes()}})
            ]
        began = time.perf_counter()
        bodies = [_body(request) for request in data]
        answers = self._answers(bodies)
        rendered = [render(answer, self._version) for answer in answers]
        for index, (status, _) in enumerate(rendered):
            context.set_response_content_type(index, "application/json")
            if status != 200:
                context.set_response_status(
                    code=status, phrase=HTTPStatus(status).phrase, idx=index
                )
        self._measure(
            answers, Counter(status for status, _ in rendered), time.perf_counter() - began
        )
        return [content for _, content in rendered]

    def _declare_metrics(self, metrics: Metrics | None) -> None:
        """Make our metrics, without the version: TorchServe never drops a series. deploy/servers/torchserve.py declares the same."""
        self._metered = metrics is not None
        if metrics is not None:
            from ts.metrics.metric_type_enum import MetricTypes

            self._count = metrics.add_metric_to_cache(
                "freshet_answers", "Count", ["model_name", "status"]
            )
            self._count_empty = metrics.add_metric_to_cache(
                "freshet_empty_answers", "Count", ["model_name"]
            )
            self._time = metrics.add_metric_to_cache(
                "freshet_batch_seconds", "Seconds", ["model_name"], MetricTypes.HISTOGRAM
            )

    def _measure(
        self, answers: Sequence[Answer | None], statuses: Mapping[int, int], seconds: float
    ) -> None:
        """Report one batch. Each figure is a line that TorchServe parses, so never one a request (docs/log.md)."""
        if not self._metered:
            return
        for status, number in statuses.items():
            self._count.add_or_update(number, [self._name, str(status)])
        self._time.add_or_update(round(seconds, 6), [self._name])
        num_empty = sum(
            isinstance(answer, dict) and answer.get("items") == [] for answer in answers
        )
        if num_empty:
            self._count_empty.add_or_update(num_empty, [self._name])

    def _answers(self, bodies: Sequence[object]) -> list[Answer | None]:
        try:
            return list(answer_batch(self._ranker, bodies))
        except Exception:
            log.exception(
                "batch failed, answering one by one: num_requests=%d version=%d",
                len(bodies),
                self._version,
            )
        answers: list[Answer | None] = []
        for body in bodies:
            try:
                answers += answer_batch(self._ranker, [body])
            except Exception:
                log.exception("request failed: version=%d", self._version)
                answers.append(None)
        return answers


def _body(request: Mapping[str, object]) -> object:
    """Take the body out of what TorchServe hands over: JSON already parsed, raw bytes, or parts of a form."""
    for name in ("body", "data"):
        if name in request:
            return request[name]
    return b""


def render(answer: Answer | None, version: int) -> tuple[int, bytes]:
    """Return the HTTP status and body of one answer; a list is a 400 only when nothing in it could be answered."""
    try:
        status, content = _rendered(answer, version)
    except ValueError:
        log.exception("answer is no JSON: version=%d", version)
        status, content = _rendered(None, version)
    if len(content) <= MAX_ANSWER_BYTES:
        return status, content
    expected = (
        f"a request whose answer has at most {MAX_ANSWER_BYTES:,} bytes: ask for less at once"
    )
    return _rendered(
        BadRequest("body", found=f"one whose answer has {len(content):,} bytes", expected=expected),
        version,
    )


def _rendered(answer: Answer | None, version: int) -> tuple[int, bytes]:
    if isinstance(answer, BadRequest):
        return 400, _json(error_body(answer) | {"model_version": version})
    if isinstance(answer, Busy):
        return 429, _json(error_body(answer) | {"model_version": version})
    if isinstance(answer, list):
        status = 400 if all("error" in one for one in answer) else 200
        return status, _json([one | {"model_version": version} for one in answer])
    if answer is not None:
        return 200, _json(answer | {"model_version": version})
    reason = "the request could not be answered; the server's log says why"
    return 500, _json({"error": {"field": None, "reason": reason}, "model_version": version})


def _json(content: JsonObject | list[JsonObject]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
