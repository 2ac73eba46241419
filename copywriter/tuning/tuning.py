"""Tune a writer's model on accepted texts, and save it as a model of its own.

What comes before a question is the same for many texts and much longer than they are. So its keys
and values are computed once for a batch, without gradients, as when the model writes. One text in
eight is held out; the matrices with the lowest loss on those are kept.

    B  texts      S  tokens of a question with its answer      V  vocabulary
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from copywriter.tuning.accepted_texts import AcceptedText
from copywriter.tuning.low_rank import LowRank
from copywriter.tuning.options import TuningOptions, TuningResult, TuningStep
from copywriter.tuning.token_batches import (
    IGNORED,
    TokenBatch,
    TokenText,
    token_batches,
    token_text,
)
from copywriter.writing.causal_model import CausalModel
from copywriter.writing.prompts import Prompts
from copywriter.writing.writer import WriterError

MIN_TEXTS = 8  # with fewer, one held-out text would decide
HELD_OUT = 8  # one of so many
MAX_GRADIENT_NORM = 1.0


def tune_writer(
    model: CausalModel,
    prompts: Prompts,
    texts: Sequence[AcceptedText],
    options: TuningOptions,
    on_step: Callable[[TuningStep], None],
) -> TuningResult:
    """Tune a model in place; raise WriterError with too few texts, or if the loss does not fall."""
    if len(texts) < MIN_TEXTS:
        raise WriterError(
            f"{len(texts)} accepted texts are too few to tune a writer on; {MIN_TEXTS} or more are "
            "needed, and some hundred are better"
        )
    draw = Random(options.seed)
    tokens = draw.sample([token_text(model, prompts, text) for text in texts], len(texts))
    held_out, trained = (
        tokens[::HELD_OUT],
        [one for place, one in enumerate(tokens) if place % HELD_OUT],
    )
    matrices = LowRank(model.network, rank=options.rank, seed=options.seed, depth=options.depth)
    before = best = held_out_loss(model, held_out, options)
    kept, best_epoch = matrices.copy(), 0
    course = _TuningCourse(model, matrices, options, trained, on_step)
    for epoch in range(1, options.epochs + 1):
        course.run_epoch(draw)
        loss = held_out_loss(model, held_out, options)
        if loss < best:
            best, kept, best_epoch = loss, matrices.copy(), epoch
    matrices.merge(kept)
    if not best_epoch:
        raise WriterError(
            f"the loss on held-out texts did not fall in {options.epochs} epochs (it began at "
            f"{before:.3f}), so no model was written; give more texts, or a lower rate"
        )
    model.refresh_digest()
    return TuningResult(
        num_texts=len(trained),
        num_held_out=len(held_out),
        loss_before=before,
        loss_after=best,
        best_epoch=best_epoch,
    )


def save_tuned(model: CausalModel, folder: Path) -> None:
    """Write the tuned model as a Hugging Face folder."""
    folder.mkdir(parents=True)
    model.save(folder)


@torch.no_grad()
def held_out_loss(model: CausalModel, texts: Sequence[TokenText], options: TuningOptions) -> float:
    """Return the mean loss of a token of the answers."""
    total, num_tokens = 0.0, 0
    for batch in token_batches(model, texts, size=options.batch, draw=Random(0)):
        num = int((batch.labels_BS != IGNORED).sum())
        total += float(_loss(model, batch)) * num
        num_tokens += num
    return total / num_tokens


class _TuningCourse:
    """The steps of a tuning, with the optimiser's state."""

    def __init__(
        self,
        model: CausalModel,
        matrices: LowRank,
        options: TuningOptions,
        texts: Sequence[TokenText],
        on_step: Callable[[TuningStep], None],
    ) -> None:
        self._model, self._options, self._texts = model, options, texts
        self._on_step = on_step
        self._trained = list(matrices.matrices)
        self._adam = torch.optim.AdamW(self._trained, lr=options.rate, weight_decay=0.0)
        self._num_steps = options.epochs * len(self._batches(Random(0)))
        self._step = 0

    def run_epoch(self, draw: Random) -> None:
        for batch in self._batches(draw):
            left = 1 - self._step / self._num_steps
            self._adam.param_groups[0]["lr"] = self._options.rate * left
            loss = _loss(self._model, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self._trained, MAX_GRADIENT_NORM)
            self._adam.step()
            self._adam.zero_grad(set_to_none=True)
            self._step += 1
            self._on_step(
                TuningStep(step=self._step, num_steps=self._num_steps, loss=float(loss.detach()))
            )

    def _batches(self, draw: Random) -> list[TokenBatch]:
        return token_batches(self._model, self._texts, size=self._options.batch, draw=draw)


def _loss(model: CausalModel, batch: TokenBatch) -> torch.Tensor:
    """Return the mean loss of the answers' tokens; the opening's keys have no gradients.

    Padding is on the left, so the answers are at the end, and only there are logits computed: a
    vocabulary has more weights than the layers of a small model.
    """
    num_texts, num_opening = len(batch.ids_BS), len(batch.opening)
    num_kept = 1 + int((batch.labels_BS != IGNORED).sum(1).max())
    with _half_precision(model):
        cache = _opening_cache(model, batch.opening)
        if num_opening:
            cache.batch_repeat_interleave(num_texts)
        opening_BL = torch.ones(num_texts, num_opening, dtype=torch.long)
        mask_BL = torch.cat([opening_BL, batch.mask_BS], dim=1)
        positions_BS = (mask_BL.cumsum(1) - 1).clamp(min=0)[:, num_opening:]
        logits_BSV = model.logits(batch.ids_BS, mask_BL, positions_BS, cache, keep=num_kept)
    labels_BS = batch.labels_BS[:, 1 - num_kept :].to(logits_BSV.device)
    return cross_entropy(
        logits_BSV[:, :-1].flatten(0, 1), labels_BS.flatten(), ignore_index=IGNORED
    )


def _half_precision(model: CausalModel) -> torch.autocast:
    """Multiply in bfloat16 where the processor does so in hardware: others emulate it slowly."""
    capabilities = torch.cpu.get_capabilities()
    is_fast = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return torch.autocast("cpu", torch.bfloat16, enabled=model.device == "cpu" and is_fast)


@torch.no_grad()
def _opening_cache(model: CausalModel, opening: tuple[int, ...]) -> Any:
    from transformers import DynamicCache

    cache = DynamicCache()
    if opening:
        ids_1S = torch.tensor([opening])
        positions_1S = torch.arange(ids_1S.shape[1])[None]
        model.logits(ids_1S, torch.ones_like(ids_1S), positions_1S, cache, keep=1)
    return cache
