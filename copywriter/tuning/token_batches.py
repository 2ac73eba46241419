"""Accepted texts as tokens: the openings that they share, their questions and answers.

A model is asked exactly as it is when it writes. Only the answer counts in the loss.

    B  texts      S  tokens of the longest question with its answer
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from copywriter.tuning.accepted_texts import AcceptedText
from copywriter.writing.causal_model import CausalModel
from copywriter.writing.prompts import ChatTurn, Prompts

IGNORED = -100  # the label that torch's cross entropy leaves out


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenText:
    """The tokens of a text: its opening, its question, and the answer with its end."""

    opening: tuple[int, ...]
    question: tuple[int, ...]
    answer: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBatch:
    """Texts with the same opening. A label is the token itself where it is of an answer."""

    opening: tuple[int, ...]
    ids_BS: Tensor
    mask_BS: Tensor
    labels_BS: Tensor


def token_text(model: CausalModel, prompts: Prompts, text: AcceptedText) -> TokenText:
    """Return a text as the model reads it; raise WriterError."""
    prompt = prompts.prompt(text.brief)
    answer = ChatTurn(role="assistant", content=text.text)
    asked = model.question(prompt.turns())
    whole = model.render((*prompt.turns(), answer), asks=False)
    opening = model.render(prompt.opening, asks=False)
    if not asked.startswith(opening):
        opening = ""
    if whole.startswith(asked):
        ends_with = model.tokens(whole[len(asked) :], begins=False)
    else:  # the template writes a finished answer otherwise than where one begins
        ends_with = [*model.tokens(text.text, begins=False), *sorted(model.ends)[:1]]
    return TokenText(
        opening=tuple(model.tokens(opening, begins=True)) if opening else (),
        question=tuple(model.tokens(asked[len(opening) :], begins=not opening)),
        answer=tuple(ends_with),
    )


def token_batches(
    model: CausalModel, texts: Sequence[TokenText], *, size: int, draw: Random
) -> list[TokenBatch]:
    """Return batches of texts with the same opening, in random order."""
    by_opening: dict[tuple[int, ...], list[TokenText]] = {}
    for text in draw.sample(texts, len(texts)):
        by_opening.setdefault(text.opening, []).append(text)
    batches = [
        _batch(model, same[first : first + size])
        for same in by_opening.values()
        for first in range(0, len(same), size)
    ]
    return draw.sample(batches, len(batches))


def _batch(model: CausalModel, texts: Sequence[TokenText]) -> TokenBatch:
    ids_BS, mask_BS = model.pad([(*text.question, *text.answer) for text in texts])
    labels_BS = torch.full_like(ids_BS, IGNORED)
    for row, text in enumerate(texts):  # padding is on the left
        labels_BS[row, -len(text.answer) :] = torch.tensor(text.answer)
    return TokenBatch(opening=texts[0].opening, ids_BS=ids_BS, mask_BS=mask_BS, labels_BS=labels_BS)
