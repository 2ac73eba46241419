"""The picture encoder behind a cache: pictures, and texts of items that have none.

M  wanted pictures or texts      P  width of a vector
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from recommender.bundle import Bundle
from recommender.config import PictureEncoderConfig
from recommender.encoder.encoder_source import EncoderError
from recommender.encoder.picture_encoder import (
    BATCH_PICTURES,
    PictureEncoder,
    load_picture_encoder,
)
from trainer.data.encoding_team import Encode, EncodingTeam
from trainer.data.start import CannotStart
from trainer.data.text_cache import KEY_BYTES, Keys, TextCache

_LEAST_AT_ONCE = 4_096  # vectors between two writes of the cache, if it has few yet
Vectors = Mapping[str, torch.Tensor]


class PictureEncoding:
    """The encoder of a bundle, loaded only if something is not in the cache or it is unknown."""

    def __init__(
        self,
        *,
        bundle: Bundle,
        config: PictureEncoderConfig,
        cache: Path,
        team: EncodingTeam | None = None,
    ) -> None:
        self._config = config
        self._team = team or EncodingTeam()
        self._cache = cache
        self._folder = bundle.picture_encoder_folder
        self._known = bundle.manifest.picture_digest
        self._known_reads_texts = bundle.manifest.pictures_read_texts
        self.encoder: PictureEncoder | None = None

    @property
    def digest(self) -> str:
        """Return the encoder's digest."""
        return self._known if self._known is not None else self._load().digest

    @property
    def reads_texts(self) -> bool:
        """Return whether the encoder reads texts too."""
        return self._known_reads_texts if self._known is not None else self._load().reads_texts

    def of_pictures(
        self, digests: Sequence[str], content: Callable[[str], bytes | None]
    ) -> Vectors:
        """Return the vector_P of pictures by sha256, without those that have no content."""

        def encode(missing: Sequence[str]) -> Vectors:
            read = {sha256: content(sha256) for sha256 in missing}
            contents = {sha256: one for sha256, one in read.items() if one is not None}
            if not contents:
                return {}
            return dict(zip(contents, self._encode(list(contents.values())), strict=True))

        return self._cached_vectors(f"pictures-{self.digest}", digests, encode)

    def of_texts(self, texts: Iterable[str]) -> Vectors:
        """Return the vector_P of texts by text; the encoder must read them."""
        by_digest = {hashlib.sha256(text.encode()).hexdigest(): text for text in texts}

        def encode(missing: Sequence[str]) -> Vectors:
            vectors_MP = self._load().encode_texts([by_digest[sha256] for sha256 in missing])
            return dict(zip(missing, vectors_MP, strict=True))

        found = self._cached_vectors(f"picture-texts-{self.digest}", list(by_digest), encode)
        return {by_digest[sha256]: vector_P for sha256, vector_P in found.items()}

    def _cached_vectors(
        self, name: str, digests: Sequence[str], encode: Callable[[Sequence[str]], Vectors]
    ) -> Vectors:
        """Return vectors by digest; what is not in a file of the cache is encoded and added."""
        if not digests:
            return {}
        path = self._cache / f"{name}.safetensors"
        cache, place = TextCache.read(path), 0
        missing = _missing_from(cache, digests)
        while place < len(missing):
            at_once = max(_LEAST_AT_ONCE, len(cache.keys_K) // 2 if cache is not None else 0)
            part = missing[place : place + at_once]
            place += at_once
            fresh = encode(part)
            if not fresh:
                continue
            keys, fresh_MP = _keys(list(fresh)), torch.stack(list(fresh.values()))
            if cache is None:
                cache = TextCache(keys_K=keys, vectors_KR=fresh_MP)
            else:
                cache = cache.with_added(keys, fresh_MP)
            cache.write(path)
        if cache is None:
            return {}
        found = zip(digests, cache.places(_keys(digests)).tolist(), strict=True)
        return {sha256: cache.vectors_KR[at] for sha256, at in found if at >= 0}

    def _encode(self, contents: Sequence[bytes]) -> torch.Tensor:
        encoder = self._load()
        place = _PictureEncoderPlace(
            config=self._config, folder=self._folder, digest=encoder.digest
        )
        return self._team.encode(place, encoder.encode, contents, batch_size=BATCH_PICTURES)

    def _load(self) -> PictureEncoder:
        """Load the encoder once; raise CannotStart when it is not the parent bundle's."""
        if self.encoder is None:
            self.encoder = load_picture_encoder(self._config, self._folder)
            if self._known not in (None, self.encoder.digest):
                raise CannotStart(
                    f"picture encoder {self._config.model} is not the one of the live bundle; "
                    "train with mode full"
                )
        return self.encoder


@dataclass(frozen=True, slots=True, kw_only=True)
class _PictureEncoderPlace:
    """Where another rank loads the same picture encoder."""

    config: PictureEncoderConfig
    folder: Path | None
    digest: str

    def load(self) -> Encode:
        encoder = load_picture_encoder(self.config, self.folder)
        if encoder.digest != self.digest:
            raise EncoderError(
                f"picture encoder {self.config.model} has other weights than the first rank's"
            )
        return encoder.encode


def _missing_from(cache: TextCache | None, digests: Sequence[str]) -> list[str]:
    if cache is None:
        return list(digests)
    places = cache.places(_keys(digests)).tolist()
    return [sha256 for sha256, place in zip(digests, places, strict=True) if place < 0]


def _keys(digests: Sequence[str]) -> Keys:
    content = b"".join(map(bytes.fromhex, digests))
    return np.frombuffer(bytearray(content), np.uint8).reshape(-1, KEY_BYTES)
