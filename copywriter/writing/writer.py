"""The port of all that writes texts: a model of this process, TorchServe, a remote API."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from copywriter.brief import Brief

# of one call of a served writer; handler/copy-config.yaml gives it longer
MAX_BRIEFS = 64
MAX_WAIT_S = 120.0


class WriterError(ValueError):
    """A writer can't be loaded or used: which one, why, what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterAnswer:
    """A text for each brief in their order, None where there was no time; and the tokens used."""

    texts: tuple[str | None, ...]
    prompt_tokens: int = 0
    output_tokens: int = 0


class CopyWriter(Protocol):
    """Writes a text for each brief. Nothing checks what it wrote; `verified` does."""

    @property
    def digest(self) -> str:
        """Identify everything that decides a text: model, prompts, examples, sampling."""
        ...

    def write(self, briefs: Sequence[Brief], *, seed: int, within_s: float) -> WriterAnswer:
        """Write within some seconds; the same seed gives the same text where the model allows it.

        Raise WriterError for a writer that does not work.
        """
        ...


def text_seed(seed: int, brief: Brief) -> int:
    """Return the seed of one text, which does not depend on the other texts of its batch."""
    digest = hashlib.sha256(f"{seed} {brief.digest()}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1  # some servers take 31 bits
