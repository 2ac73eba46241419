"""Text vectors for the trainer: a cache in front of the encoder, and their whitening.

The whitening is fitted once. The encoder is loaded only when a text is not in the cache.

    M  texts      N  items      R  raw vector      T  whitened vector
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recommender.config import HASHED_WORDS, EncoderConfig
from recommender.encoder.encoder import BATCH_TEXTS, TextEncoder, load_encoder
from recommender.encoder.encoder_source import EncoderError
from recommender.encoder.word_vectors import WordVectors
from recommender.item_arrays import Whitening
from trainer.data.encoding_team import Encode, EncoderPlace, EncodingTeam
from trainer.data.text_cache import TextCache, keys_of

# Relative to the greatest component's variance. Less is rounding noise, which whitening would scale
# up.
MIN_VARIANCE = 1e-4
_TEXTS_AT_ONCE = 65_536  # a million vectors in double precision would take 3 GB


class TextVectors:
    """An encoder with a cache. Hashed words need none: they are made faster than they are read.

    `folder` is the parent bundle's packed encoder and `adapter` the adapter trained on it, if any.
    `team` are the ranks that encode together.
    """

    def __init__(
        self,
        config: EncoderConfig,
        *,
        cache: Path,
        digest: str | None = None,
        folder: Path | None = None,
        adapter: Path | None = None,
        team: EncodingTeam | None = None,
    ) -> None:
        self._config = config
        self._team = team or EncodingTeam()
        self._cache = cache
        self._folder = folder
        self._adapter = adapter
        self._digest = digest
        self._encoder: TextEncoder | None = None
        self._words = WordVectors(config) if config.model == HASHED_WORDS else None
        if self._words is not None and digest not in (None, self._words.digest):
            raise self._other_encoder()

    @property
    def loaded_encoder(self) -> TextEncoder | None:
        """Return the language model if it had to be loaded, otherwise None."""
        return self._encoder

    @property
    def digest(self) -> str:
        """Return the encoder's digest, loading the encoder unless the digest was given."""
        if self._words is not None:
            return self._words.digest
        if self._digest is None:
            self._digest = self.encoder().digest
        return self._digest

    def encoder(self) -> TextEncoder:
        """Load the language model once; raise ValueError when it is not the parent bundle's."""
        if self._encoder is None:
            self._encoder = load_encoder(self._config, self._folder, adapter=self._adapter)
            if self._digest not in (None, self._encoder.digest):
                raise self._other_encoder()
        return self._encoder

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return the raw vectors_MR of texts in their order, encoding only what is not cached."""
        if self._words is not None:
            return self._words.encode(texts)
        keys_M = keys_of(texts)
        path = self._cache / f"{self.digest}.safetensors"
        cache = TextCache.read(path)
        known = np.full(len(texts), -1) if cache is None else cache.places(keys_M)
        missing = np.flatnonzero(known < 0)
        if cache is not None and not len(missing):
            return cache.vectors_KR[known]
        _, firsts = np.unique(keys_M[missing], axis=0, return_index=True)
        new = missing[np.sort(firsts)]
        fresh = self._encode_together([texts[place] for place in new])
        if cache is None:
            cache = TextCache(keys_K=keys_M[new], vectors_KR=fresh)
        else:
            cache = cache.with_added(keys_M[new], fresh)
        cache.write(path)
        return cache.vectors_KR[cache.places(keys_M)]

    def batches(self, texts: Sequence[str]) -> Iterator[Tensor]:
        """Yield the raw vectors_MR of texts in their order, some thousands at once."""
        if self._words is None and texts:
            yield from torch.split(self.encode(texts), _TEXTS_AT_ONCE)
            return
        for first in range(0, len(texts), _TEXTS_AT_ONCE):
            yield self.encode(texts[first : first + _TEXTS_AT_ONCE])

    def _encode_together(self, texts: Sequence[str]) -> Tensor:
        encoder = self.encoder()
        place = _TextEncoderPlace(
            config=self._config, folder=self._folder, adapter=self._adapter, digest=encoder.digest
        )
        return encode_by_length(self._team, place, encoder, texts)

    def _other_encoder(self) -> ValueError:
        return ValueError(
            f"encoder {self._config.model} is not the one of the live bundle; train with mode full"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _TextEncoderPlace:
    """Where another rank loads the same text encoder."""

    config: EncoderConfig
    folder: Path | None
    adapter: Path | None
    digest: str

    def load(self) -> Encode:
        encoder = load_encoder(self.config, self.folder, adapter=self.adapter)
        if encoder.digest != self.digest:
            raise EncoderError(
                f"encoder {self.config.model} has other weights than the first rank's"
            )
        return encoder.encode


def encode_by_length(
    team: EncodingTeam, place: EncoderPlace, encoder: TextEncoder, texts: Sequence[str]
) -> Tensor:
    """Return the raw vectors_MR of texts, in their order, by all ranks of a team."""
    order = encoder.by_length(texts)
    sorted_MR = team.encode(
        place, encoder.encode, [texts[at] for at in order], batch_size=BATCH_TEXTS
    )
    vectors_MR = torch.empty_like(sorted_MR)
    vectors_MR[order] = sorted_MR
    return vectors_MR


def fit_whitening(raw_MR: Tensor, text_dim: int) -> Whitening:
    """Return the mean and the leading principal components, each scaled to unit variance.

    Directions without variance become zero.
    """
    width = raw_MR.shape[1]
    mean_R = raw_MR.mean(0)
    products_RR = torch.zeros(width, width, dtype=torch.double)
    for first in range(0, len(raw_MR), _TEXTS_AT_ONCE):
        centred_MR = (raw_MR[first : first + _TEXTS_AT_ONCE] - mean_R).double()
        products_RR += centred_MR.T @ centred_MR
    variance_R, axes_RR = torch.linalg.eigh(products_RR / max(1, len(raw_MR)))
    order_R = variance_R.argsort(descending=True)[:text_dim]
    kept = variance_R[order_R]
    scale = torch.where(
        kept > MIN_VARIANCE * kept[0].clamp(min=1e-12), kept.clamp(min=1e-12).rsqrt(), 0.0
    )
    components_RT = torch.zeros(width, text_dim)
    components_RT[:, : len(order_R)] = (axes_RR[:, order_R] * scale).float()
    return Whitening(mean_R=mean_R, components_RT=components_RT)
