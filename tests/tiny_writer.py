"""Tiny causal language models: of random letters, and of texts that are always accepted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path

import torch

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '\u2039' + message['role'] + '\u203a' + message['content']"
    " + 'END' }}{% endfor %}{% if add_generation_prompt %}{{ '\u2039assistant\u203a' }}{% endif %}"
)
# each three of them are a text that is true of every brief
INVITATIONS = (
    ("Worth a look. ", "Worth watching. ", "Worth your time. ", "Worth discovering. "),
    ("Have a look. ", "Take a look. ", "Something to discover. "),
    ("Enjoy. ", "Try it. ", "Watch this one. ", "See for yourself. "),
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


# none of them is true of any brief of the panel
LIES = (
    ("New here. ", "Just added. "),
    ("It is new. ", "A newcomer. "),
    ("New and popular with everyone. ", "Brand-new and popular. "),
)


def write_inviting_model(folder: Path, *, sentences: Sequence[Sequence[str]] = INVITATIONS) -> Path:
    """Write a model that draws one of each group of sentences, whatever it is asked; its folder.

    A token is a sentence. The layers add nothing, so the logits depend on the last token alone.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = ["END", "?", *(one for group in sentences for one in group)]
    places = {token: place for place, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(places, "?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\S+\s*"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token="END", unk_token="?"
    )
    fast.save_pretrained(folder)
    size = len(vocabulary)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=size + size % 2,
        intermediate_size=2,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=0,
    )
    network = LlamaForCausalLM(config)
    follows = [("?",), *sentences, ("END",)]
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
        network.model.norm.weight.fill_(1.0)
        network.model.embed_tokens.weight.copy_(torch.eye(size, config.hidden_size))
        for group in pairwise(follows):
            for before, after in product(*group):
                network.lm_head.weight[places[after], places[before]] = 5.0
    network.save_pretrained(folder)
    return folder
