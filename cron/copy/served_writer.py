"""The writer that TorchServe serves as the model `copy`: briefs are sent, texts come back."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from copywriter.brief import Brief
from copywriter.writing.writer import WriterAnswer
from cron.copy_errors import WriterRefused
from cron.ports import ModelServer

# of the time of a call, for the way there and back; the rest is the model's
WAY_SHARE = 0.1


class _Answer(msgspec.Struct):
    """What `handler/write_copy.py` answers."""

    texts: list[str | None]
    prompt_tokens: int
    output_tokens: int
    writer: str


class ServedWriter:
    """One version of the model `copy`, on whichever node has it."""

    def __init__(self, server: ModelServer, *, version: int, digest: str) -> None:
        self._server = server
        self._version = version
        self._digest = digest

    @property
    def digest(self) -> str:
        """See the port: the digest that the archive was made with."""
        return self._digest

    def write(self, briefs: Sequence[Brief], *, seed: int, within_s: float) -> WriterAnswer:
        """See the port; raise Unavailable, ServerRefused or WriterRefused."""
        body = {
            "briefs": [msgspec.json.decode(brief.as_json()) for brief in briefs],
            "seed": seed,
            "within_s": (1 - WAY_SHARE) * within_s,
        }
        raw = self._server.predict(self._version, body, timeout_s=within_s)
        try:
            answer = msgspec.convert(raw, _Answer)
        except msgspec.ValidationError as error:
            raise WriterRefused(f"TorchServe, version {self._version}", why=str(error)) from error
        if answer.writer != self._digest:
            why = f"it has the writer {answer.writer[:12]}…, expected {self._digest[:12]}…"
            raise WriterRefused(f"TorchServe, version {self._version}", why=why)
        if len(answer.texts) != len(briefs):
            why = f"{len(answer.texts)} texts for {len(briefs)} briefs"
            raise WriterRefused(f"TorchServe, version {self._version}", why=why)
        return WriterAnswer(
            texts=tuple(answer.texts),
            prompt_tokens=answer.prompt_tokens,
            output_tokens=answer.output_tokens,
        )
