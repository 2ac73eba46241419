"""How the next token of each text is drawn.

B  texts      V  vocabulary
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """A temperature of 0 takes the likeliest token; `top_p` drops the tail of the others."""

    temperature: float = 0.3  # what it writes shall follow the facts; seeds still differ
    top_p: float = 0.9
    max_tokens: int = 96  # a newsletter's paragraph; other kinds end with their line, long before


def next_tokens(
    logits_BV: Tensor, generators: Sequence[torch.Generator], sampling: Sampling
) -> list[int]:
    """Return a token for each text; each draws from its own generator."""
    if sampling.temperature == 0:
        return [int(token) for token in logits_BV.argmax(1)]
    probabilities_BV = torch.softmax(logits_BV / sampling.temperature, dim=1)
    sorted_BV, order_BV = probabilities_BV.sort(dim=1, descending=True)
    before_BV = sorted_BV.cumsum(1) - sorted_BV
    kept_BV = sorted_BV.masked_fill(before_BV >= sampling.top_p, 0.0)
    tokens = []
    for row, generator in enumerate(generators):
        place = torch.multinomial(kept_BV[row], 1, generator=generator)
        tokens.append(int(order_BV[row, place]))
    return tokens
