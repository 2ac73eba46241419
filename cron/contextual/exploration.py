"""The probabilities with which actions are chosen, and the draw.

Epsilon-greedy: with probability `epsilon` any allowed action, else one with the best score. Actions
with the same best score share, so that a model that has learned nothing chooses among all.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

_DENOMINATOR = 1 << 64


def best_shares(scores: Sequence[float], allowed: Sequence[bool]) -> tuple[float, ...]:
    """Return the greedy policy's probabilities: one divided among the best allowed actions."""
    best = max(score for score, is_allowed in zip(scores, allowed, strict=True) if is_allowed)
    is_best = [
        is_allowed and score == best for score, is_allowed in zip(scores, allowed, strict=True)
    ]
    share = 1 / sum(is_best)
    return tuple(share * is_one for is_one in is_best)


def with_exploration(
    shares: Sequence[float], allowed: Sequence[bool], *, epsilon: float
) -> tuple[float, ...]:
    """Return the probabilities when a share `epsilon` of the choices is among all allowed ones."""
    uniform = epsilon / sum(allowed)
    return tuple(
        (1 - epsilon) * share + uniform * is_allowed
        for share, is_allowed in zip(shares, allowed, strict=True)
    )


def draw(probabilities: Sequence[float], *, seed: str) -> int:
    """Return the place of one action, drawn by the probabilities; the same for the same seed."""
    digest = blake2b(seed.encode("utf-8", "surrogatepass"), digest_size=8, person=b"draw").digest()
    left = int.from_bytes(digest, "big") / _DENOMINATOR
    chosen = 0
    for place, probability in enumerate(probabilities):
        if probability > 0:
            chosen = place  # the last possible one, should the sum be a little under 1
            if left < probability:
                break
            left -= probability
    return chosen
