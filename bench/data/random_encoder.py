"""A BERT of random weights with MiniLM's vocabulary, for what depends on its size alone."""

from __future__ import annotations

from pathlib import Path

import torch

from recommender.config import EncoderConfig
from recommender.encoder.encoder_source import find_source

WIDTH, NUM_LAYERS, NUM_HEADS = 1024, 8, 16  # BERT-large has 24 such layers


def write_random_bert(folder: Path) -> Path:
    """Write a Hugging Face folder in half precision and return it."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(find_source(EncoderConfig().model).folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        num_hidden_layers=NUM_LAYERS,
        num_attention_heads=NUM_HEADS,
        intermediate_size=4 * WIDTH,
    )
    network = BertModel(config).half()  # type: ignore[no-untyped-call]
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
