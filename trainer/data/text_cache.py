"""A file of text vectors by the digests of their texts; it may be damaged or deleted.

M  wanted texts      K  cached texts      R  raw vector
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from trainer.machine.durable_files import replacing

log = logging.getLogger(__name__)

Keys = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
KEY_BYTES = 32


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TextCache:
    """Vectors and their keys; those of a file are mapped, and only what is looked up is read."""

    keys_K: Keys  # one sha256 in each row
    vectors_KR: Tensor

    @classmethod
    def read(cls, path: Path) -> TextCache | None:
        """Return the cache in a file; None where there is none or it is damaged."""
        if not path.exists():
            return None
        try:
            tensors = load_file(path)
            with suppress(OSError):  # it may be read-only
                path.touch()  # the worker deletes the caches that were used longest ago
            keys, vectors_KR = tensors["keys"], tensors["vectors"]
            if keys.shape != (len(vectors_KR), KEY_BYTES):
                raise ValueError(f"it has {tuple(keys.shape)} keys for {len(vectors_KR)} vectors")
            return cls(keys_K=keys.numpy(), vectors_KR=vectors_KR)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            log.warning(
                "text cache is damaged; its vectors are computed again",
                extra={"path": str(path), "error": str(error)},
            )
            return None

    def write(self, path: Path) -> None:
        """Replace the file in one step; only log when that fails."""
        tensors = {"keys": torch.from_numpy(self.keys_K), "vectors": self.vectors_KR}
        try:
            with replacing(path) as unfinished:
                save_file(tensors, unfinished)
        except (OSError, SafetensorError) as error:  # the next training encodes them again
            log.warning("text cache not written", extra={"path": str(path), "error": str(error)})

    def places(self, keys_M: Keys) -> Places:
        """Return the place of each key; −1 where it is missing."""
        known_K = _beginnings(self.keys_K)
        order_K = np.argsort(known_K, kind="stable")
        place_M = np.searchsorted(known_K[order_K], _beginnings(keys_M))
        place_M = np.append(order_K, -1)[place_M]
        # a key that only begins in the same way is another text's
        is_same_M = (self.keys_K[place_M] == keys_M).all(1) if len(known_K) else False
        return np.where(is_same_M, place_M, -1)

    def with_added(self, keys_M: Keys, vectors_MR: Tensor) -> TextCache:
        """Return the cache with more vectors behind its own."""
        return TextCache(
            keys_K=np.concatenate([self.keys_K, keys_M]),
            vectors_KR=torch.cat([self.vectors_KR, vectors_MR]),
        )


def keys_of(texts: Sequence[str]) -> Keys:
    """Return the sha256 of each text."""
    digests = b"".join(hashlib.sha256(text.encode()).digest() for text in texts)
    return np.frombuffer(bytearray(digests), np.uint8).reshape(-1, KEY_BYTES)


def _beginnings(keys: Keys) -> npt.NDArray[np.uint64]:
    """Return the first 64 bits of each key; that two of a billion agree is unlikely."""
    return np.ascontiguousarray(keys[:, :8]).view(np.uint64).ravel()
