"""A causal language model of this process as writer: any of Hugging Face's, or a GGUF file.

What comes before the question is the same for all briefs of a kind, so it is computed once and its
keys and values are kept. Texts of a batch are generated together, each with random numbers of its
own, until each has ended its line or the time is over.

    B  texts      S  tokens of the longest question      L  tokens so far      V  vocabulary
"""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from copywriter.brief import Brief
from copywriter.writing.causal_model import CausalModel
from copywriter.writing.prompts import ChatTurn, Prompts
from copywriter.writing.sampling import Sampling, next_tokens
from copywriter.writing.writer import WriterAnswer, text_seed

if TYPE_CHECKING:
    from transformers import DynamicCache

MAX_BATCH = 32
_KEPT_OPENINGS = 16  # languages × kinds × tones that are in use at a time
_THINKS = "<think>"  # how templates of models that reason begin an answer


@dataclass(slots=True, kw_only=True)
class _GrowingText:
    """One text while it is generated."""

    brief: Brief
    generator: torch.Generator
    tokens: list[int]
    text: str | None = None


class CausalWriter:
    """A loaded model, its prompts and how it samples."""

    def __init__(self, model: CausalModel, prompts: Prompts, sampling: Sampling) -> None:
        self._model = model
        self._prompts = prompts
        self._sampling = sampling
        self._openings: dict[str, tuple[DynamicCache, int]] = {}
        parts = f"{model.digest} {prompts.digest} {sampling!r}"
        self._digest = hashlib.sha256(parts.encode()).hexdigest()

    @property
    def digest(self) -> str:
        """See the port."""
        return self._digest

    def write(self, briefs: Sequence[Brief], *, seed: int, within_s: float) -> WriterAnswer:
        """See the port."""
        ends_at = time.monotonic() + within_s
        texts: list[str | None] = [None] * len(briefs)
        prompt_tokens = output_tokens = 0
        for places, opening in self._batches(briefs):
            if time.monotonic() >= ends_at:
                break
            rows = [self._row(briefs[place], seed) for place in places]
            prompt_tokens += self._generate(rows, opening, ends_at)
            output_tokens += sum(len(row.tokens) for row in rows)
            for place, row in zip(places, rows, strict=True):
                texts[place] = row.text
        return WriterAnswer(
            texts=tuple(texts), prompt_tokens=prompt_tokens, output_tokens=output_tokens
        )

    def _batches(self, briefs: Sequence[Brief]) -> list[tuple[list[int], tuple[ChatTurn, ...]]]:
        """Return the places of briefs that share an opening, at most MAX_BATCH together."""
        by_opening: dict[tuple[ChatTurn, ...], list[int]] = {}
        for place, brief in enumerate(briefs):
            prompt = self._prompts.prompt(brief)
            if not self._model.holds_control_token(prompt.question):
                by_opening.setdefault(prompt.opening, []).append(place)
        return [
            (places[first : first + MAX_BATCH], opening)
            for opening, places in by_opening.items()
            for first in range(0, len(places), MAX_BATCH)
        ]

    def _row(self, brief: Brief, seed: int) -> _GrowingText:
        generator = torch.Generator().manual_seed(text_seed(seed, brief))
        return _GrowingText(brief=brief, generator=generator, tokens=[])

    @torch.inference_mode()
    def _generate(
        self, rows: Sequence[_GrowingText], opening: tuple[ChatTurn, ...], ends_at: float
    ) -> int:
        """Fill in the rows' texts, and return how many tokens the prompts had."""
        cache, num_opening, questions = self._prefix(rows, opening)
        ids_BS, mask_BS = self._model.pad(questions)
        mask_BL = torch.cat([torch.ones(len(rows), num_opening, dtype=torch.long), mask_BS], dim=1)
        positions_BS = (mask_BL.cumsum(1) - 1).clamp(min=0)[:, num_opening:]
        given_BS = ids_BS
        waiting = list(rows)
        for _ in range(self._sampling.max_tokens):
            logits_BV = self._step(given_BS, mask_BL, positions_BS, cache)
            chosen = next_tokens(logits_BV, [row.generator for row in rows], self._sampling)
            for row, token in zip(rows, chosen, strict=True):
                if row.text is None:
                    self._extend(row, token)
            waiting = [row for row in rows if row.text is None]
            if not waiting or time.monotonic() >= ends_at:
                break
            given_BS = torch.tensor(chosen)[:, None]
            mask_BL = torch.cat([mask_BL, torch.ones(len(rows), 1, dtype=torch.long)], dim=1)
            positions_BS = positions_BS[:, -1:] + 1
        if time.monotonic() < ends_at:  # they used all tokens; the verifier decides on their length
            for row in waiting:
                row.text = self._model.text(row.tokens).strip()
        return num_opening * len(rows) + int(mask_BS.sum())

    def _step(self, ids_BS: Tensor, mask_BL: Tensor, positions_BS: Tensor, cache: Any) -> Tensor:
        device = self._model.device
        answer = self._model.network(
            input_ids=ids_BS.to(device),
            attention_mask=mask_BL.to(device),
            position_ids=positions_BS.to(device),
            **{self._model.cache_name: cache},
            use_cache=True,
            logits_to_keep=1,
        )
        logits_BV: Tensor = answer.logits[:, -1].float().cpu()
        return logits_BV

    def _extend(self, row: _GrowingText, token: int) -> None:
        """Add a token to a text, and end the text with its line."""
        if token in self._model.ends:
            row.text = self._model.text(row.tokens).strip()
            return
        row.tokens.append(token)
        line, newline, _ = self._model.text(row.tokens).lstrip().partition("\n")
        # far too long already: the verifier will refuse it, so it need not be finished
        if newline or len(line) > 2 * row.brief.max_chars:
            row.text = line.strip()

    def _prefix(
        self, rows: Sequence[_GrowingText], opening: tuple[ChatTurn, ...]
    ) -> tuple[DynamicCache, int, list[list[int]]]:
        """Return keys and values of the opening for each row, its length, and the questions."""
        shared = self._model.render(opening, asks=False)
        texts = [self._model.render(self._turns(row), asks=True) for row in rows]
        if any(text.endswith(_THINKS) for text in map(str.rstrip, texts)):
            texts = [f"{text.rstrip()}\n</think>\n\n" for text in texts]
        if not all(text.startswith(shared) for text in texts):
            shared = ""  # a template that writes an opening differently when more follows
        cache, num_opening = self._opening(shared)
        questions = [self._model.tokens(text[len(shared) :], begins=not shared) for text in texts]
        batch = copy.deepcopy(cache)
        if num_opening:
            batch.batch_repeat_interleave(len(rows))
        return batch, num_opening, questions

    def _turns(self, row: _GrowingText) -> tuple[ChatTurn, ...]:
        return self._prompts.prompt(row.brief).turns()

    def _opening(self, text: str) -> tuple[DynamicCache, int]:
        """Return the keys and values of an opening and its length, computed once."""
        from transformers import DynamicCache

        if not text:
            return DynamicCache(), 0
        if text not in self._openings:
            ids_1S = torch.tensor([self._model.tokens(text, begins=True)])
            cache = DynamicCache()
            positions_1S = torch.arange(ids_1S.shape[1])[None]
            self._step(ids_1S, torch.ones_like(ids_1S), positions_1S, cache)
            while len(self._openings) >= _KEPT_OPENINGS:
                self._openings.pop(next(iter(self._openings)))
            self._openings[text] = (cache, ids_1S.shape[1])
        return self._openings[text]


def load_causal_writer(
    model: str,
    *,
    prompts: Prompts,
    sampling: Sampling,
    folder: Path | None = None,
    device: str | None = None,
) -> CausalWriter:
    """Load a model by name, or its packed copy in a folder; raise WriterError."""
    return CausalWriter(CausalModel(model, folder=folder, device=device), prompts, sampling)
