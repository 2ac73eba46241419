"""TorchServe's handler of the model `copy`: briefs in, texts out.

It handles the protocol only; `copywriter`, which the archive contains too, does everything else.
TorchServe accepts exactly one class in this module. The module can't be named `copy`, since the
standard library has one.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import torch

import copywriter
from copywriter.brief import Brief
from copywriter.writing.writer import MAX_BRIEFS, MAX_WAIT_S
from copywriter.writing.writer_bundle import open_writer_bundle

if TYPE_CHECKING:
    from handler.context import TorchServeContext

NICENESS = 10  # as of trainings; the recommender has 0

log = logging.getLogger(__name__)


class WriteCopy:
    """One loaded writer."""

    def initialize(self, context: TorchServeContext) -> None:
        """Load the archive's bundle; raise RuntimeError when the code is not the archive's."""
        model_dir = Path(str(context.system_properties["model_dir"])).resolve()
        code = Path(str(copywriter.__file__)).resolve()
        if not code.is_relative_to(model_dir):
            raise RuntimeError(
                f"copywriter was imported from {code}, not from the archive at {model_dir}; "
                "start TorchServe without PYTHONPATH"
            )
        # Answers go first: the writer has one core, and yields it.
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
        torch.set_num_threads(1)
        self._version = int(str(context.manifest["model"]["modelVersion"]))
        self._writer = open_writer_bundle(model_dir / "bundle")

    def handle(
        self, data: Sequence[Mapping[str, object]], context: TorchServeContext
    ) -> list[bytes]:
        """Answer every request in its place: 400 for a bad one, 500 for one that fails."""
        answers = []
        for index, request in enumerate(data):
            status, content = self._answer(request.get("body", request.get("data", b"")))
            context.set_response_content_type(index, "application/json")
            if status != 200:
                context.set_response_status(
                    code=status, phrase=HTTPStatus(status).phrase, idx=index
                )
            answers.append(json.dumps(content, ensure_ascii=False).encode())
        return answers

    def _answer(self, body: object) -> tuple[int, dict[str, object]]:
        try:
            briefs, seed, within_s = read_request(body)
        except ValueError as error:
            return 400, self._error(str(error))
        try:
            answer = self._writer.write(briefs, seed=seed, within_s=within_s)
        except Exception:
            log.exception("request failed: num_briefs=%d version=%d", len(briefs), self._version)
            return 500, self._error("the texts could not be written; the server's log says why")
        return 200, {
            "texts": list(answer.texts),
            "prompt_tokens": answer.prompt_tokens,
            "output_tokens": answer.output_tokens,
            "writer": self._writer.digest,
            "model_version": self._version,
        }

    def _error(self, reason: str) -> dict[str, object]:
        return {"error": {"field": None, "reason": reason}, "model_version": self._version}


def read_request(body: object) -> tuple[list[Brief], int, float]:
    """Return briefs, seed and seconds of a request; raise ValueError."""
    raw = json.loads(body) if isinstance(body, bytes | bytearray | str) else body
    if not isinstance(raw, dict) or not isinstance(raw.get("briefs"), list):
        raise ValueError('expected {"briefs": [...], "seed": 0, "within_s": 10}')
    seed, within_s = raw.get("seed", 0), raw.get("within_s", 10.0)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(f"seed: found {seed!r}, expected a whole number")
    is_number = isinstance(within_s, int | float) and math.isfinite(within_s)
    if not is_number or not 0 <= within_s <= MAX_WAIT_S:
        raise ValueError(f"within_s: found {within_s!r}, expected 0 to {MAX_WAIT_S:.0f} seconds")
    if not 0 < len(raw["briefs"]) <= MAX_BRIEFS:
        raise ValueError(f"briefs: found {len(raw['briefs'])}, expected 1 to {MAX_BRIEFS}")
    return [Brief.from_json(json.dumps(one)) for one in raw["briefs"]], seed, float(within_s)
