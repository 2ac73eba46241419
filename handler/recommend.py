"""TorchServe's handler: a batch of HTTP requests in, one answer or error for each out.

It handles the protocol only. `recommender`, which the archive contains too, does everything else.
TorchServe accepts exactly one class in this module.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import torch

import recommender
from recommender.bundle import load_bundle
from recommender.lasting_objects import LastingObjects
from recommender.lists.answer import Answer, answer_batch
from recommender.machine_memory import available_bytes, own_bytes, release_freed
from recommender.ranking.ranker import Ranker
from recommender.requests.wire import BadRequest, Busy, JsonObject, error_body

if TYPE_CHECKING:
    from handler.context import TorchServeContext, TorchServeMetrics

# Above max_response_size (deploy/torchserve.properties) TorchServe kills the worker and its batch.
MAX_ANSWER_BYTES = 16_000_000

log = logging.getLogger(__name__)


class Recommend:
    """One loaded release."""

    def initialize(self, context: TorchServeContext) -> None:
        """Load the archive's bundle; raise RuntimeError when the code is not the archive's."""
        model_dir = Path(str(context.system_properties["model_dir"])).resolve()
        code = Path(str(recommender.__file__)).resolve()
        if not code.is_relative_to(model_dir):
            raise RuntimeError(
                f"recommender was imported from {code}, not from the archive at {model_dir}; "
                "start TorchServe without PYTHONPATH"
            )
        # While a training process runs, waiting for a second thread costs more than it gains.
        torch.set_num_threads(1)
        self._version = int(str(context.manifest["model"]["modelVersion"]))
        self._name = str(context.manifest["model"]["modelName"])
        self._declare_metrics(context.metrics)
        self._ranker = Ranker(load_bundle(model_dir / "bundle", content=_content(model_dir)))
        # The first lists of both kinds prepare the item vectors; do it before a client waits.
        similar = [{"similar_to": {"id": item.item_id}} for item in self._ranker.catalogue[:1]]
        answer_batch(self._ranker, [{"user_seq": [], "k": 1}, *similar])
        self._lasting = LastingObjects()
        self._lasting.keep()
        release_freed()  # at a million items loading has freed 50 MB that would stay with us

    def handle(
        self, data: Sequence[Mapping[str, object]], context: TorchServeContext
    ) -> list[bytes]:
        """Answer every request in its place: 400 for a bad one, 500 for one that fails.

        Other requests of the batch are not affected. TorchServe sends a request that is alone in
        its batch when the management API's `?customized=true` asks the handler to describe itself.
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
        statuses = Counter[int]()
        for answer, (status, _) in zip(answers, rendered, strict=True):
            statuses += num_by_status(answer, status)
        self._lasting.keep()  # the first free text or picture has loaded an encoder
        self._measure(answers, statuses, time.perf_counter() - began)
        return [content for _, content in rendered]

    def _declare_metrics(self, metrics: TorchServeMetrics | None) -> None:
        """Create our metrics, which deploy/servers/torchserve/configuration.py declares too.

        They have no label for the version, because TorchServe never drops a series.
        """
        self._has_metrics = metrics is not None
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
        """Report the metrics of one batch.

        TorchServe parses a line for each value, so there is none for each request (docs/log.md).
        """
        if not self._has_metrics:
            return
        for status, number in statuses.items():
            self._count.add_or_update(number, [self._name, str(status)])
        self._time.add_or_update(round(seconds, 6), [self._name])
        num_empty = sum(
            isinstance(one, dict) and one.get("items") == [] for one in _every_answer(answers)
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


def _every_answer(answers: Sequence[Answer | None]) -> Iterator[Answer | None]:
    """Yield each answer, those of a list one by one."""
    for answer in answers:
        if isinstance(answer, list):
            yield from answer
        else:
            yield answer


def num_by_status(answer: Answer | None, status: int) -> Counter[int]:
    """Count an answer by its status; those of a list as if each was asked alone."""
    if not isinstance(answer, list) or status not in (200, 400):
        return Counter([status])
    num_refused = sum("error" in one for one in answer)
    return Counter({200: len(answer) - num_refused, 400: num_refused})


def _content(model_dir: Path) -> Path | None:
    """Return the folder of the large arrays that the archive leaves out; None if it is whole."""
    place = model_dir / "content.json"
    if not place.is_file():
        return None
    folder = Path(str(json.loads(place.read_text(encoding="utf-8"))["folder"]))
    if not folder.is_dir():
        raise RuntimeError(
            f"{folder} has the large arrays of this release and is not readable here; mount it at "
            "the same path, or set release.share_bases = false for archives that are whole"
        )
    return folder


def _body(request: Mapping[str, object]) -> object:
    """Return the body from a request of TorchServe: parsed JSON, raw bytes, or a form's part."""
    for name in ("body", "data"):
        if name in request:
            return request[name]
    return b""


def render(answer: Answer | None, version: int) -> tuple[int, bytes]:
    """Return HTTP status and body of an answer; a list is a 400 only if all of it is errors."""
    try:
        status, content = _status_and_body(answer, version)
    except ValueError:
        log.exception("answer is not valid JSON: version=%d", version)
        status, content = _status_and_body(None, version)
    if len(content) <= MAX_ANSWER_BYTES:
        return status, content
    expected = (
        f"a request whose answer has at most {MAX_ANSWER_BYTES:,} bytes; ask for less at once"
    )
    return _status_and_body(
        BadRequest(
            "body", found=f"a request whose answer has {len(content):,} bytes", expected=expected
        ),
        version,
    )


def _status_and_body(answer: Answer | None, version: int) -> tuple[int, bytes]:
    if isinstance(answer, BadRequest):
        return 400, _json(error_body(answer) | {"model_version": version})
    if isinstance(answer, Busy):
        return 429, _json(error_body(answer) | {"model_version": version})
    if isinstance(answer, list):
        status = 400 if all("error" in one for one in answer) else 200
        return status, _json([one | {"model_version": version} for one in answer])
    if answer is not None:
        return 200, _json(answer | {"model_version": version})
    reason = "the request could not be answered; the reason is in the server's log"
    return 500, _json({"error": {"field": None, "reason": reason}, "model_version": version})


def _json(content: JsonObject | list[JsonObject]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
