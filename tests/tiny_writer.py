"""A tiny random causal language model that spells letters."""

from __future__ import annotations

from pathlib import Path

import torch

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '\u2039' + message['role'] + '\u203a' + message['content']"
    " + 'END' }}{% endfor %}{% if add_generation_prompt %}{{ '\u2039assistant\u203a' }}{% endif %}"
)


def write_tiny_causal_model(
    folder: Path, *, template: str | None = CHAT_TEMPLATE, scale: float = 0.6
) -> Path:
    """Write a random two-layer Llama of width 32; END ends its texts; return its folder."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = ["END", "?", "\n", " ", *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,:"]
    tokenizer = Tokenizer(models.WordLevel(dict(zip(letters, range(99), strict=False)), "?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token="END", unk_token="?"
    )
    fast.chat_template = template
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(letters),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=4096,
        initializer_range=scale,
        bos_token_id=None,
        eos_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
