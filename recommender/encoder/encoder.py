"""The encoder: any Hugging Face model that turns a text into one vector.

Weights are rounded to half precision when they are loaded, whatever their source, so that the copy
packed in a bundle gives exactly the vectors that the trainer saw.

    M  texts      W  tokens of the longest text      T  width of the encoder
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from recommender.config import HASHED_WORDS, EncoderConfig
from recommender.encoder.adapter import Adapter, load_adapter
from recommender.encoder.encoder_model import in_one_line, load_model
from recommender.encoder.encoder_source import EncoderError, EncoderSource, find_source
from recommender.encoder.word_vectors import WordVectors

__all__ = ["Encoder", "EncoderError", "TextEncoder", "load_encoder", "open_encoder"]

BATCH_TEXTS = 64
# More than most tokens have. Where tokens are longer, more of the text is tokenized.
CHARACTERS_A_TOKEN = 8
# Larger models compute in the half precision of their file: 7 billion weights take 14 GB then, and
# 28 GB in float32. The choice depends on size and not on the device, so that a trainer with a GPU
# and a server without one get the same vectors, except for rounding.
MAX_FLOAT32_WEIGHTS = 1_000_000_000


class Encoder(Protocol):
    """What turns texts into vectors: a language model, or hashed words.

    `digest` identifies everything that decides a vector.
    """

    digest: str

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return raw vectors_MT, float32, in the order given."""


class TextEncoder:
    """A loaded model with its tokenizer.

    `digest` identifies weights, adapter, vocabulary, pooling and cut together. `network` is the
    bare model, for training, on `device`.
    """

    def __init__(
        self,
        config: EncoderConfig,
        source: EncoderSource,
        *,
        adapter: Adapter | None = None,
        device: str | None = None,
        max_float32_weights: int = MAX_FLOAT32_WEIGHTS,
    ) -> None:
        self.config = config
        self._source = source
        self._max_float32_weights = max_float32_weights
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._tokenizer, self.network = load_model(config, source)
        self._tokenizer.padding_side = "right"
        self._half = torch.bfloat16 if self.network.dtype == torch.bfloat16 else torch.float16
        self.settle(adapter)

    def settle(self, adapter: Adapter | None = None) -> None:
        """Round the weights to half precision, compute the digest and apply the adapter.

        Call it after training; loading does it too.
        """
        _move(self.network, self._half)
        self.digest = self._digest()
        _move(self.network, self._working_dtype())
        _move(self.network, self.device)
        self.adapter = adapter
        if adapter is not None:
            adapter.put_on(self.network)
            self.digest = hashlib.sha256(f"{self.digest} {adapter.digest}".encode()).hexdigest()

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return raw pooled vectors_MT, float32, in the order given.

        Texts of similar length share a batch. Texts longer than `max_tokens` are cut.
        """
        ids = [self._token_ids(text) for text in texts]
        order = _by_length(ids)
        vectors_MT = torch.empty(len(ids), self.width)
        for start in range(0, len(order), BATCH_TEXTS):
            picked = order[start : start + BATCH_TEXTS]
            vectors_MT[picked] = self._encode_batch([ids[index] for index in picked]).cpu()
        return vectors_MT

    def by_length(self, texts: Sequence[str]) -> list[int]:
        """Return the places of the texts in the order in which `encode` cuts its batches."""
        return _by_length([self._token_ids(text) for text in texts])

    def encode_for_gradients(self, texts: Sequence[str]) -> Tensor:
        """Return raw pooled vectors_MT of one batch, with gradients to the network's weights."""
        return self._encode_batch([self._token_ids(text) for text in texts]).cpu()

    def move(self, device: str) -> None:
        """Move the network to a device, and encode there."""
        self.device = device
        _move(self.network, device)

    def try_out(self) -> None:
        """Encode a text of `max_tokens` tokens; raise EncoderError when the model fails."""
        try:
            self.encode(["a " * self.config.max_tokens])
        except Exception as error:  # an unsuitable model may raise anything
            raise EncoderError(
                f"encoder {self.config.model}: it can't encode a text of {self.config.max_tokens} "
                f"tokens ({in_one_line(error)}); set a smaller max_tokens, or name a model that "
                "takes text only"
            ) from error

    @property
    def width(self) -> int:
        """Length of a raw vector."""
        return int(self.network.config.get_text_config().hidden_size)

    def save(self, folder: Path, *, half: bool = True) -> None:
        """Write a Hugging Face folder with tokenizer and weights, without the adapter.

        Half precision loses nothing, since the weights are rounded to it when they are loaded.
        """
        if self.adapter is not None:  # W + BA − BA is not exactly W
            TextEncoder(self.config, self._source, device="cpu").save(folder, half=half)
            return
        working = self.network.dtype
        _move(self.network, self._half if half else torch.float32)
        self.network.save_pretrained(folder)
        _move(self.network, working)
        if (backend := getattr(self._tokenizer, "backend_tokenizer", None)) is not None:
            # otherwise the file would depend on whether texts were encoded before it was saved
            backend.no_truncation()
            backend.no_padding()
        self._tokenizer.save_pretrained(folder)

    def _token_ids(self, text: str) -> list[int]:
        # A tokenizer needs several times the memory of its text, so it gets no more of a long text
        # than its first tokens span.
        longest, span = self.config.max_tokens, CHARACTERS_A_TOKEN * self.config.max_tokens
        while (
            span < len(text)
            and len(self._tokenizer(text[:span], verbose=False)["input_ids"]) <= longest
        ):
            span *= 4
        ids: list[int] = self._tokenizer(text[:span], truncation=True, max_length=longest)[
            "input_ids"
        ]
        return ids or [self._padding_id]

    @property
    def _padding_id(self) -> int:
        return self._tokenizer.pad_token_id or 0  # decoders have none; the mask hides it

    def _encode_batch(self, ids: Sequence[Sequence[int]]) -> Tensor:
        length = max(map(len, ids))
        tokens_MW = torch.tensor(
            [[*one, *[self._padding_id] * (length - len(one))] for one in ids], device=self.device
        )
        mask_MW = torch.tensor(
            [[1] * len(one) + [0] * (length - len(one)) for one in ids], device=self.device
        )
        hidden_MWT = self.network(input_ids=tokens_MW, attention_mask=mask_MW).last_hidden_state
        return self._pool(hidden_MWT.float(), mask_MW)

    def _pool(self, hidden_MWT: Tensor, mask_MW: Tensor) -> Tensor:
        if self.config.pooling == "last":
            return hidden_MWT[torch.arange(len(hidden_MWT)), mask_MW.sum(1) - 1]
        weight_MW1 = mask_MW.unsqueeze(2).float()
        return (hidden_MWT * weight_MW1).sum(1) / weight_MW1.sum(1)

    def _working_dtype(self) -> torch.dtype:
        num_weights = sum(weight.numel() for weight in self.network.parameters())
        if num_weights <= self._max_float32_weights:
            return torch.float32
        if self.device.startswith("cuda") and not torch.cuda.is_bf16_supported():
            return torch.float16
        return self._half

    def _digest(self) -> str:
        digest = hashlib.sha256(f"{self.config.pooling} {self.config.max_tokens}\n".encode())
        for token, number in sorted(self._tokenizer.get_vocab().items()):
            digest.update(f"{token}\t{number}\n".encode())
        for name, weight in sorted(self.network.state_dict().items()):
            digest.update(name.encode())
            digest.update(
                weight.contiguous().view(-1).to(self._half).view(torch.int16).cpu().numpy().data
            )
        return digest.hexdigest()


def open_encoder(
    config: EncoderConfig, folder: Path | None = None, *, adapter: Path | None = None
) -> Encoder:
    """Return the encoder that a configuration names; raise EncoderError.

    A language model is loaded as by `load_encoder`.
    """
    if config.model == HASHED_WORDS:
        return WordVectors(config)
    return load_encoder(config, folder, adapter=adapter)


def _by_length(ids: Sequence[Sequence[int]]) -> list[int]:
    return sorted(range(len(ids)), key=lambda place: len(ids[place]))


def load_encoder(
    config: EncoderConfig,
    folder: Path | None = None,
    *,
    adapter: Path | None = None,
    device: str | None = None,
    max_float32_weights: int = MAX_FLOAT32_WEIGHTS,
) -> TextEncoder:
    """Load a language model from a bundle's folder or its source; raise EncoderError.

    `adapter` is a bundle's adapter file. Without `device` a GPU is used when there is one.
    A model with more than `max_float32_weights` weights computes in half precision.
    """
    source = EncoderSource(folder=str(folder)) if folder is not None else find_source(config.model)
    learned = load_adapter(adapter, scale=config.lora_scale) if adapter is not None else None
    encoder = TextEncoder(
        config,
        source,
        adapter=learned,
        device=device,
        max_float32_weights=max_float32_weights,
    )
    encoder.try_out()
    return encoder


def _move(network: nn.Module, to: torch.dtype | str) -> None:
    network.to(to)  # the annotation in transformers accepts no argument
