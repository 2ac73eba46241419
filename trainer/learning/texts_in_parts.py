"""Encode the texts of a step in parts, with the gradients of all of them at once.

The loss compares texts with each other, so it has to see all of them. They are first encoded
without gradients. When the loss has given the gradient of each vector, the parts are encoded again,
one after the other, and hand it on to the weights, where it adds up. It costs one more encoding
(Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup").

    P  texts      R  raw vector
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class TextsInParts:
    """Encodes at most `size` texts with gradients at once; None: all of them."""

    def __init__(self, encode: Callable[[Sequence[str]], Tensor], *, size: int | None) -> None:
        self._encode = encode
        self._size = size
        self._texts: tuple[str, ...] = ()
        self._raw_PR: Tensor | None = None  # whose gradients the weights have not got yet

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return the vectors of texts, from which gradients come back to the weights."""
        self._raw_PR = None
        if self._size is None or len(texts) <= self._size:
            return self._encode(texts)
        with torch.no_grad():
            raw_PR = torch.cat([self._encode(part) for part in self._parts(texts)])
        self._texts, self._raw_PR = tuple(texts), raw_PR.requires_grad_()
        return self._raw_PR

    def hand_on(self) -> None:
        """Add the gradients of the last vectors to those of the weights, once."""
        raw_PR, self._raw_PR = self._raw_PR, None
        if raw_PR is None or raw_PR.grad is None or self._size is None:
            return
        parts = zip(self._parts(self._texts), torch.split(raw_PR.grad, self._size), strict=True)
        for part, gradient_PR in parts:
            self._encode(part).backward(gradient_PR)  # type: ignore[no-untyped-call]

    def _parts(self, texts: Sequence[str]) -> list[Sequence[str]]:
        assert self._size is not None
        return [texts[start : start + self._size] for start in range(0, len(texts), self._size)]
