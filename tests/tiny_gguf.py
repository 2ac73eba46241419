"""A tiny language model as a GGUF file: random weights, and one token for each byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np

WIDTH, INNER, LAYERS, HEADS = 32, 64, 2, 2
END = "<|im_end|>"


def write_tiny_gguf(path: Path) -> Path:
    """Write a two-layer Llama of width 32 in float32; return its path."""
    from gguf import GGUFWriter
    from tokenizers import pre_tokenizers

    tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "th", END]
    writer = GGUFWriter(str(path), "llama")
    writer.add_name("tiny")
    writer.add_context_length(4096)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * (len(tokens) - 1) + [3])
    writer.add_token_merges(["t h"])
    writer.add_eos_token_id(len(tokens) - 1)
    draw = np.random.default_rng(0)
    for name, shape in _shapes(len(tokens)).items():
        is_norm = len(shape) == 1
        weights = np.ones(shape) if is_norm else draw.normal(0, 0.5, shape)
        writer.add_tensor(name, weights.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _shapes(num_tokens: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors, by the names of llama.cpp."""
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (num_tokens, WIDTH),
        "output_norm.weight": (WIDTH,),
        "output.weight": (num_tokens, WIDTH),
    }
    for layer in range(LAYERS):
        of_layer: dict[str, tuple[int, ...]] = {
            "attn_norm": (WIDTH,),
            "attn_q": (WIDTH, WIDTH),
            "attn_k": (WIDTH, WIDTH),
            "attn_v": (WIDTH, WIDTH),
            "attn_output": (WIDTH, WIDTH),
            "ffn_norm": (WIDTH,),
            "ffn_gate": (INNER, WIDTH),
            "ffn_up": (INNER, WIDTH),
            "ffn_down": (WIDTH, INNER),
        }
        shapes |= {f"blk.{layer}.{name}.weight": shape for name, shape in of_layer.items()}
    return shapes
