"""The texts of a model that reads pictures and texts (CLIP, SigLIP), in their common space.

M  texts      P  width of a vector
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recommender.encoder.encoder_model import in_one_line
from recommender.encoder.encoder_source import EncoderSource

log = logging.getLogger(__name__)
_INPUTS = ("input_ids", "attention_mask")
BATCH_TEXTS = 64


class TextTower:
    """The part of a loaded model that reads texts, with its tokenizer."""

    def __init__(self, network: Any, tokenizer: Any, *, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._network = network
        self._max_tokens = max_tokens

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], *, device: str) -> Tensor:
        """Return unit vectors_MP, float32, in the order given; longer texts are cut."""
        parts = []
        for start in range(0, len(texts), BATCH_TEXTS):
            # always of full length: SigLIP was trained so, and CLIP is the same either way
            read = self._tokenizer(
                list(texts[start : start + BATCH_TEXTS]),
                padding="max_length",
                truncation=True,
                max_length=self._max_tokens,
                return_tensors="pt",
            )
            inputs = {name: read[name].to(device) for name in _INPUTS if name in read}
            raw_MP = features(self._network.get_text_features(**inputs))
            parts.append(torch.nn.functional.normalize(raw_MP.float(), dim=1).cpu())
        return torch.cat(parts)

    def save(self, folder: Path) -> None:
        """Write the tokenizer."""
        if (backend := getattr(self._tokenizer, "backend_tokenizer", None)) is not None:
            # otherwise the file would depend on whether texts were encoded before it was saved
            backend.no_truncation()
            backend.no_padding()
        self._tokenizer.save_pretrained(folder)

    def digest(self) -> str:
        """Return the sha256 of the vocabulary and the cut."""
        digest = hashlib.sha256(f"{self._max_tokens}\n".encode())
        for token, number in sorted(self._tokenizer.get_vocab().items()):
            digest.update(f"{token}\t{number}\n".encode())
        return digest.hexdigest()


def open_text_tower(network: Any, source: EncoderSource) -> TextTower | None:
    """Return the tower of texts; None if the model has none, or its folder no usable tokenizer."""
    from transformers import AutoTokenizer

    if not hasattr(network, "get_text_features"):
        return None
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(source.folder)
    except Exception as error:  # a damaged file may raise anything; pictures need no tokenizer
        log.warning("pictures can't be searched by text", extra={"why": in_one_line(error)})
        return None
    vocabulary = tokenizer.get_vocab()
    rows = network.config.get_text_config().vocab_size
    is_usable = set(vocabulary) - set(tokenizer.all_special_tokens)
    if not is_usable or max(vocabulary.values()) >= rows or tokenizer.pad_token is None:
        log.warning(
            "pictures can't be searched by text",
            extra={"why": "the model's folder has no tokenizer"},
        )
        return None
    most = network.config.get_text_config().max_position_embeddings
    return TextTower(network, tokenizer, max_tokens=min(tokenizer.model_max_length, most))


def features(found: Any) -> Tensor:
    """Return the vectors that a model gives, which are a tensor or the pooled part of an output."""
    vectors: Tensor = found if isinstance(found, Tensor) else found.pooler_output
    return vectors
