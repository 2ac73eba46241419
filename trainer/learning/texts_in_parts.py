"""Encode the texts of a step in parts, with the gradients of all of them at once.

The loss compares texts with each other, so it has to see all of them, and each rank computes the
loss of its share of the batch. So each rank encodes its share of the texts, and all exchange the
vectors. When the losses have given the gradient of each vector, its sum is handed on to the weights
by the rank that has encoded the text (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch
Size under Memory Limited Setup"). A share of several parts is encoded without gradients first, and
again part by part to hand them on, which costs one more encoding.

    P  texts      R  raw vector      M  texts of this rank
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from trainer.learning.gradient_scale import GradientScale
from trainer.machine import distributed


class TextsInParts:
    """Encodes at most `size` texts with gradients at once on each rank; None: all of its share.

    Gradients of weights are those of this rank's texts, times the factor of `scale`. A rank that
    waits longer than `limit_s` for the others raises LostRank.
    """

    def __init__(
        self,
        encode: Callable[[Sequence[str]], Tensor],
        *,
        size: int | None,
        scale: GradientScale | None = None,
        limit_s: float = 600.0,
    ) -> None:
        self._encode = encode
        self._size = size
        self._scale = scale or GradientScale(torch.float32)
        self._limit_s = limit_s
        self._parts: list[Sequence[str]] = []
        self._stand_in = ""
        self._mine_MR: Tensor | None = None  # with gradients, if they are one part
        self._raw_PR: Tensor | None = None  # whose gradients the weights have not got yet

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return the vectors of texts, from which gradients come back to the weights.

        Every rank calls it with the same texts.
        """
        num_ranks = distributed.num_ranks()
        most = -(-len(texts) // num_ranks)
        size = min(self._size or most, most)
        mine = distributed.share(texts)
        # as many parts on every rank, the last of which may be empty
        self._parts = [mine[first : first + size] for first in range(0, most, size)]
        self._stand_in = texts[0]
        with torch.set_grad_enabled(len(self._parts) == 1):
            mine_MR = torch.cat([self._encode_part(part) for part in self._parts])
        self._mine_MR = mine_MR if len(self._parts) == 1 else None
        whole_PR = mine_MR.new_zeros(len(texts), mine_MR.shape[1])
        whole_PR[distributed.rank() :: num_ranks] = mine_MR.detach()
        distributed.add_up([whole_PR], limit_s=self._limit_s)
        self._raw_PR = whole_PR.requires_grad_()
        return self._raw_PR

    def hand_on(self) -> None:
        """Add the gradients of the last vectors to those of the weights, once.

        Every rank calls it, even one that has no loss.
        """
        raw_PR, self._raw_PR = self._raw_PR, None
        mine_MR, self._mine_MR = self._mine_MR, None
        num_ranks = distributed.num_ranks()
        if raw_PR is None or (raw_PR.grad is None and num_ranks == 1):
            return
        gradient_PR = torch.zeros_like(raw_PR) if raw_PR.grad is None else raw_PR.grad
        distributed.add_up([gradient_PR], limit_s=self._limit_s)
        own_MR = self._scale.factor * gradient_PR[distributed.rank() :: num_ranks]
        if mine_MR is not None:
            mine_MR.backward(own_MR)  # type: ignore[no-untyped-call]
            return
        sizes = [len(part) for part in self._parts]
        for part, part_MR in zip(self._parts, torch.split(own_MR, sizes), strict=True):
            self._encode_part(part).backward(part_MR)  # type: ignore[no-untyped-call]

    def _encode_part(self, part: Sequence[str]) -> Tensor:
        """Encode a part; for an empty one, compute as the other ranks do and return nothing."""
        return self._encode(part or [self._stand_in])[: len(part)]
