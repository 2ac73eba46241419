"""An encoder in training: how it reads texts with gradients, and what its weights become.

All that makes it small or fast is put together here: parts, layers that are computed again or
compiled, half precision, and weights that are divided among the ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from recommender.encoder.encoder import BATCH_TEXTS, EncoderError, TextEncoder, load_encoder
from trainer.config import TrainConfig
from trainer.learning.adapter_layers import extract_adapter, make_trainable
from trainer.learning.compiled_layers import CompiledLayers
from trainer.learning.encoder_weights import EncoderWeights
from trainer.learning.gradient_scale import GradientScale
from trainer.learning.network_layers import layers_of
from trainer.learning.recomputed_layers import RecomputedLayers
from trainer.learning.texts_in_parts import TextsInParts
from trainer.machine import distributed, sharding
from trainer.machine.half_precision import computed_in, half_type


class TrainedEncoder:
    """Trains a loaded encoder in place, from its construction to `finish`."""

    def __init__(self, encoder: TextEncoder, config: TrainConfig) -> None:
        self._encoder = encoder
        how = config.encoder_memory
        self._limit_s = config.step_limit_s
        self._device = torch.device(encoder.device)
        self._dtype = half_type(self._device) if how.half_precision else torch.float32
        # with one rank there is nothing to divide
        self._is_divided = how.divide_weights and distributed.num_ranks() > 1
        if how.divide_weights and encoder.config.train != "full":
            raise EncoderError(
                "train.encoder_memory.divide_weights needs train.encoder.train = 'full'; "
                "an adapter is small, and the weights below it stay as they are"
            )
        make_trainable(encoder, config.seed)
        self._compiled = CompiledLayers(encoder.network)
        if how.compile_layers:
            self._compiled.begin(self._device)
        self._recomputed = RecomputedLayers(encoder.network)
        if how.recompute_layers:
            self._recomputed.begin()
        if self._is_divided:
            self._divide()
        scale = GradientScale(self._dtype)
        self.weights = EncoderWeights(encoder.network, are_divided=self._is_divided, scale=scale)
        self._in_parts = TextsInParts(
            self._encode_part,
            size=how.texts_at_once,
            scale=scale,
            limit_s=self._limit_s,
        )

    def read(self, texts: Sequence[str]) -> Tensor:
        """Return the raw vectors of texts, from which gradients come back to the weights.

        Every rank calls it with the same texts, and then `gradients`.
        """
        with self._lost_ranks():
            return self._in_parts.encode(texts)

    def gradients(self) -> list[Tensor]:
        """Return the gradients that have to be summed over ranks, in a fixed order."""
        with self._lost_ranks():
            self._in_parts.hand_on()
        return self.weights.gradients()

    def step(self, *, lr: float) -> None:
        """Change the weights by their gradients, which are cleared."""
        with self._lost_ranks():
            self._in_parts.hand_on()
            self.weights.step(lr=lr)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return raw vectors_MT of this rank's texts; every rank calls it, with its own.

        Of divided weights every rank computes equally often, on a text that does not count if it
        has none left.
        """
        if not self._is_divided:
            return self._encoder.encode(texts)
        most = max(distributed.from_all(len(texts)))
        parts = [texts[first : first + BATCH_TEXTS] for first in range(0, most, BATCH_TEXTS)]
        # what inference mode computes cannot be gathered and freed
        with torch.no_grad(), self._lost_ranks():
            return torch.cat([self._encode_part(part or [""])[: len(part)] for part in parts])

    def finish(self) -> TextEncoder:
        """Return the encoder with what it has learned, rounded as it is stored; call it once.

        Every rank gets all of it, in the precision in which it serves.
        """
        self._recomputed.end()
        self._compiled.end()
        encoder = self._encoder
        if not self._is_divided:
            encoder.settle(extract_adapter(encoder) if encoder.config.train == "lora" else None)
            return encoder
        self.weights.forget_moments()
        whole = load_encoder(encoder.config, device=encoder.device)
        with self._lost_ranks():
            for name in self.weights.names():
                whole.network.get_parameter(name).data.copy_(self.weights.whole(name))
        whole.settle()
        return whole

    def _divide(self) -> None:
        network, device = self._encoder.network, self._device
        words: nn.Module = network.get_input_embeddings()
        self._encoder.move("cpu")  # from which one layer after the other goes to the device
        how = sharding.Division(device=device, dtype=self._dtype, limit_s=self._limit_s)
        sharding.divide(network, [*layers_of(network), words], how)
        self._encoder.move(str(device))

    def _encode_part(self, texts: Sequence[str]) -> Tensor:
        """Return raw vectors with gradients; divided weights have their own precision."""
        dtype = torch.float32 if self._is_divided else self._dtype
        with computed_in(dtype, self._device):
            return self._encoder.encode_for_gradients(texts)

    def _lost_ranks(self) -> AbstractContextManager[None]:
        """Raise LostRank when an exchange of divided weights fails."""
        return distributed.exchange(self._limit_s) if self._is_divided else nullcontext()
