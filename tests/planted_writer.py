"""A writer whose texts a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from copywriter.brief import Brief
from copywriter.writing.writer import WriterAnswer


class PlantedWriter:
    """Writes what a function of brief and seed says; counts its calls."""

    def __init__(
        self, text: Callable[[Brief, int], str | None], *, digest: str = "planted"
    ) -> None:
        self.digest = digest
        self.asked: list[Sequence[Brief]] = []
        self._text = text

    def write(self, briefs: Sequence[Brief], *, seed: int, within_s: float) -> WriterAnswer:
        """See the port; a token for each brief."""
        self.asked.append(briefs)
        texts = tuple(self._text(brief, seed) for brief in briefs)
        return WriterAnswer(texts=texts, prompt_tokens=len(briefs), output_tokens=len(briefs))
