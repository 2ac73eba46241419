"""How the next token of a text is drawn.

V  vocabulary      K  the likeliest tokens
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_LOOKED_AT = 400  # tokens of a step, the likeliest first
_UNLIKELY = 1e-3  # of the likeliest allowed token; others are not drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """A temperature of 0 takes the likeliest token; `top_p` drops the tail of the others."""

    temperature: float = 0.3  # what it writes shall follow the facts; seeds still differ
    top_p: float = 0.9
    max_tokens: int = 96  # a newsletter's paragraph; other kinds end with their line, long before


def next_token(
    logits_V: Tensor,
    is_allowed: Callable[[int], bool],
    generator: torch.Generator,
    sampling: Sampling,
) -> int | None:
    """Draw one of the likeliest allowed tokens; None if none of the likeliest is allowed."""
    logits_K, tokens_K = logits_V.topk(min(_LOOKED_AT, len(logits_V)))
    logits, tokens = logits_K.tolist(), tokens_K.tolist()
    weights: list[float] = []
    places: list[int] = []
    for place, token in enumerate(tokens):
        weight = _weight(logits[place], logits[places[0]] if places else None, sampling)
        if weight < _UNLIKELY or (places and sampling.temperature == 0):
            break
        if is_allowed(token):
            places.append(place)
            weights.append(weight)
    if not places:
        return None
    kept = _likeliest(weights, sampling.top_p)
    drawn = int(torch.multinomial(torch.tensor(kept), 1, generator=generator))
    return int(tokens[places[drawn]])


def _weight(logit: float, highest: float | None, sampling: Sampling) -> float:
    """Return the probability of a token divided by that of the likeliest allowed one."""
    if highest is None or sampling.temperature == 0:
        return 1.0
    return math.exp((logit - highest) / sampling.temperature)


def _likeliest(weights: Sequence[float], top_p: float) -> list[float]:
    """Return the first weights that have a share of `top_p` together."""
    kept: list[float] = []
    while sum(kept) < top_p * sum(weights) and len(kept) < len(weights):
        kept.append(weights[len(kept)])
    return kept
