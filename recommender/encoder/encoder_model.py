"""Loads the bare model and tokenizer of an encoder, or refuses a damaged one.

Transformers loads a model whose tokenizer has no vocabulary or whose weights are incomplete: then
all texts are alike, or the model differs at each load. Both are refused here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from recommender.config import EncoderConfig
from recommender.encoder.encoder_source import EncoderError, EncoderSource
from recommender.records.excerpt import shorten

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

GGUF_CURE = "run: pip install gguf accelerate"
_MAX_ERROR_CHARS, _SHOWN_NAMES = 300, 3
# The layer after the last hidden state. It is not used, and checkpoints often lack it.
_UNUSED = "pooler"


def is_reader_missing(source: EncoderSource, error: Exception) -> bool:
    """Return whether a GGUF file was not loaded because a package that reads it is missing."""
    needs_package = isinstance(error, ImportError) or "accelerate is required" in str(error)
    return source.gguf is not None and needs_package


def load_model(
    config: EncoderConfig, source: EncoderSource
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Load tokenizer and model on the CPU in the file's precision; raise EncoderError."""
    silence_loading()
    try:
        tokenizer, network, missing = _load(source)
    except Exception as error:  # a damaged file may raise anything
        where = (
            ""
            if Path(source.folder).is_dir()
            else "no local folder has that name, so it was looked up on the hub; "
        )
        named = f"{where}name a wheel, a local folder, a GGUF file or a hub model"
        cure = GGUF_CURE if is_reader_missing(source, error) else named
        raise EncoderError(
            f"encoder {config.model}: can't load it from {source.folder} "
            f"({in_one_line(error)}); {cure}"
        ) from error
    if source.gguf is not None:  # its weights are no longer quantized; save them as they are
        network.hf_quantizer = None  # type: ignore[assignment]
        network.config.__dict__.pop("quantization_config", None)
    if (
        why := _wrong_weights(network, missing)
        or _wrong_tokens(tokenizer, network)
        or _wrong_length(tokenizer, network, config.max_tokens)
    ):
        raise EncoderError(f"encoder {config.model}: {why}")
    network.eval()  # type: ignore[no-untyped-call]
    return tokenizer, network


def silence_loading() -> None:
    """Show no progress bar: loading takes a second, and a server's log is not a terminal."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def in_one_line(error: Exception) -> str:
    """Return an error's type and text on one line, for logs that are read by lines."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {shorten(text, _MAX_ERROR_CHARS)}"


def _load(
    source: EncoderSource,
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel, Iterable[str]]:
    from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source.folder, **source.options)
    options: dict[str, Any] = {"dtype": "auto", "output_loading_info": True, **source.options}
    saved_as = [] if source.gguf else AutoConfig.from_pretrained(source.folder).architectures or []
    # For the encoder of T5 alone, AutoModel would add a decoder with random weights.
    if any(name.endswith("EncoderModel") for name in saved_as):
        network, found = AutoModelForTextEncoding.from_pretrained(source.folder, **options)
        network.config.is_encoder_decoder = False
    else:
        network, found = AutoModel.from_pretrained(source.folder, **options)
    return tokenizer, network, found["missing_keys"]


def _wrong_weights(network: PreTrainedModel, missing: Iterable[str]) -> str | None:
    if network.config.is_encoder_decoder:
        return "it is an encoder with a decoder; name a model that is only one of them"
    return weights_missing(network, missing)


def weights_missing(network: PreTrainedModel, missing: Iterable[str]) -> str | None:
    """Return which weights a model's file lacks; None if all that count are there.

    Those of the unused last layer become zero, since they were drawn at random.
    """
    needed = sorted(name for name in missing if _UNUSED not in name.split("."))
    if needed:
        more = f" and {len(needed) - _SHOWN_NAMES} others" if len(needed) > _SHOWN_NAMES else ""
        return (
            f"its file lacks the weights {', '.join(needed[:_SHOWN_NAMES])}{more} that "
            "config.json names; fetch the whole file"
        )
    for name in missing:  # transformers drew them at random, which would change the digest
        network.get_parameter(name).data.zero_()
    return None


def _wrong_tokens(tokenizer: PreTrainedTokenizerBase, network: PreTrainedModel) -> str | None:
    vocabulary = tokenizer.get_vocab()
    if not set(vocabulary) - set(tokenizer.all_special_tokens):
        return (
            "its tokenizer has no vocabulary; put the tokenizer files into the model's folder too "
            "(tokenizer.json, vocab.txt or similar)"
        )
    rows, most = (
        len(cast("nn.Embedding", network.get_input_embeddings()).weight),
        max(vocabulary.values()) + 1,
    )
    if most > rows:
        return (
            f"its tokenizer has {most} tokens and its weights have {rows}: they belong to two "
            "models, or tokens were added and not trained"
        )
    return None


def _wrong_length(
    tokenizer: PreTrainedTokenizerBase, network: PreTrainedModel, max_tokens: int
) -> str | None:
    longest = (
        getattr(network.config.get_text_config(), "max_position_embeddings", None) or max_tokens
    )
    if 0 < longest < max_tokens:  # XLNet has -1, which means no limit
        return f"it reads at most {longest} tokens, but max_tokens is {max_tokens}"
    around = tokenizer.num_special_tokens_to_add()
    if around >= max_tokens:
        return (
            f"its tokenizer adds {around} tokens to each text, which leaves no room for text with "
            f"max_tokens = {max_tokens}; set it to 16 or more"
        )
    return None
