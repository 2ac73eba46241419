"""A causal language model of this process as writer: any of Hugging Face's, or a GGUF file.

It can use the words of its brief and those that phrase (`allowed_text`), and no others.

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
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from copywriter.brief import Brief
from copywriter.verifier.rules_digest import rules_digest
from copywriter.writing.allowed_text import (
    AllowedText,
    State,
    allowed_text,
)
from copywriter.writing.causal_model import CausalModel
from copywriter.writing.prompts import ChatTurn, Prompts
from copywriter.writing.sampling import Sampling, next_token
from copywriter.writing.writer import WriterAnswer, text_seed

if TYPE_CHECKING:
    from transformers import DynamicCache

MAX_BATCH = 32
_KEPT_OPENINGS = 16  # languages × kinds × tones that are in use at a time
_INCOMPLETE = "\ufffd"  # how tokens of a part of a character are spelled


@dataclass(slots=True, kw_only=True)
class _GrowingText:
    """One text while it is generated."""

    brief: Brief
    generator: torch.Generator
    allowed: AllowedText
    state: State
    tokens: list[int] = field(default_factory=list)
    so_far: str = ""  # with what the tokens spell until now
    text: str | None = None  # when it is complete


class CausalWriter:
    """A loaded model, its prompts and how it samples."""

    def __init__(self, model: CausalModel, prompts: Prompts, sampling: Sampling) -> None:
        self._model = model
        self._prompts = prompts
        self._sampling = sampling
        self._openings: dict[str, tuple[DynamicCache, int]] = {}
        parts = f"{model.digest} {prompts.digest} {rules_digest()} {sampling!r}"
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
        allowed = allowed_text(brief)
        return _GrowingText(brief=brief, generator=generator, allowed=allowed, state=allowed.start)

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
            logits_BV = self._last_logits(given_BS, mask_BL, positions_BS, cache)
            chosen = [
                self._extend(row, logits_V) for row, logits_V in zip(rows, logits_BV, strict=True)
            ]
            waiting = [row for row in rows if row.text is None]
            if not waiting or time.monotonic() >= ends_at:
                break
            given_BS = torch.tensor(chosen)[:, None]
            mask_BL = torch.cat([mask_BL, torch.ones(len(rows), 1, dtype=torch.long)], dim=1)
            positions_BS = positions_BS[:, -1:] + 1
        if time.monotonic() < ends_at:  # they used all tokens; the verifier decides on their length
            for row in waiting:
                row.text = row.so_far.strip()
        return num_opening * len(rows) + int(mask_BS.sum())

    def _last_logits(
        self, ids_BS: Tensor, mask_BL: Tensor, positions_BS: Tensor, cache: Any
    ) -> Tensor:
        return self._model.logits(ids_BS, mask_BL, positions_BS, cache, keep=1)[:, -1].cpu()

    def _extend(self, row: _GrowingText, logits_V: Tensor) -> int:
        """Add a token to a text and return it; end the text with its line."""
        if row.text is not None:
            return 0  # it is complete; what its row of the batch computes is not read
        token = next_token(logits_V, partial(self._is_allowed, row), row.generator, self._sampling)
        if token is None or token in self._model.ends:
            row.text = row.so_far.strip()
            return 0
        row.tokens.append(token)
        more = self._model.text(row.tokens)[len(row.so_far) :]
        line, newline, _ = more.partition("\n")
        if not line.endswith(_INCOMPLETE):
            row.state = row.allowed.after(row.state, line)
            row.so_far += line
        # too long already: the verifier will refuse it, so it need not be finished
        if newline or len(row.so_far.strip()) > row.brief.max_chars:
            row.text = row.so_far.strip()
        return token

    def _is_allowed(self, row: _GrowingText, token: int) -> bool:
        """Return whether a token continues a text with allowed words, or ends it."""
        if token in self._model.ends:
            return row.allowed.may_end(row.state, row.so_far)
        text = self._model.text([*row.tokens, token])
        line, newline, _ = text[len(row.so_far) :].partition("\n")
        if line.endswith(_INCOMPLETE):
            return True  # a part of a character
        state = row.allowed.after(row.state, line)
        return bool(state) and (not newline or row.allowed.may_end(state, row.so_far + line))

    def _prefix(
        self, rows: Sequence[_GrowingText], opening: tuple[ChatTurn, ...]
    ) -> tuple[DynamicCache, int, list[list[int]]]:
        """Return keys and values of the opening for each row, its length, and the questions."""
        shared = self._model.render(opening, asks=False)
        texts = [self._model.question(self._turns(row)) for row in rows]
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
            self._last_logits(ids_1S, torch.ones_like(ids_1S), positions_1S, cache)
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
