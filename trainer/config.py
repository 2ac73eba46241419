"""The trainer's settings. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from recommender.config import (
    NEGATIVE_TYPES,
    POSITIVE_TYPES,
    EncoderConfig,
    ModelConfig,
    PictureEncoderConfig,
    Signals,
)
from trainer.codec import decode, encode

Mode = Literal["full", "update", "items", "baseline"]
Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyGradientConfig:
    """The policy gradient: learning from what served lists led to, beside the next choices.

    Branch [train.policy_gradient]. It needs slates in the snapshot, with propensities and rewards.
    """

    # relative to the ranking loss, which stays as the anchor; 0: off, because a shop has to decide
    # which rewards are worth fewer clicks
    weight: float = 0.0
    # what a reward counts for the list before; 0 learns from immediate rewards alone
    discount: float = 0.9
    # a longer pause ends the session, whose later rewards count for its earlier lists; three days,
    # so that somebody who comes back tomorrow counts
    session_gap_s: float = 259_200.0
    # the most that one choice weighs: its probability now over its logged propensity; not searched
    cap: float = 10.0
    # items of a list; an item that is in it anyway gains nothing from more probability
    list_size: int = 10
    # with a smaller effective number of choices in an epoch, the term is left out of it; not
    # searched
    min_effective_size: float = 200.0


MODALITIES = ("picture",)  # those that have vectors; `trainer.data.slots` reads them


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionConfig:
    """What the item tower reads beside texts and facts. Branch [train.fusion]."""

    # of MODALITIES; none, because a catalogue has to show that its pictures say something
    modalities: tuple[str, ...] = ()
    # further modalities by name, each with the Parquet file of its items' vectors
    vectors: Mapping[str, str] = field(default_factory=dict)
    width: int = 64  # of a modality's whitened vectors; not searched
    # of the items that a training step treats as new, the share whose text, and whose vector of
    # each slot, it leaves out, so that new items without it are normal. Left out of 5 % of all
    # items, new films came later among all (docs/log.md); not searched
    dropout: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderMemoryConfig:
    """How an encoder in training is kept small and fast. Branch [train.encoder_memory].

    Nothing here changes what is learned, apart from rounding.
    """

    # of `encoder.texts_per_step`, with gradients at once; None: all, because parts cost one more
    # encoding
    texts_at_once: int | None = None
    # layers compute their activations again for gradients; off, because it costs one more encoding
    recompute_layers: bool = False
    # products in bfloat16, or in float16 where a GPU lacks it; off, because what it costs in
    # quality was not measured
    half_precision: bool = False
    # with `encoder.train = "full"`, each of several ranks holds a part of the weights, their
    # gradients and the optimiser (FSDP2); off, because ranks then wait for each other in each layer
    divide_weights: bool = False
    # layers are compiled, on a GPU with CUDA graphs; off, because compiling takes time at the
    # start of every training
    compile_layers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsConfig:
    """Whether the item tower reads the facts, and how. Branch [train.facts]."""

    # without facts there is no slot. With the graph of MovieLens 100K new films are ranked better,
    # with a shuffled one they are not, and known films lose less than the interval. One hop is
    # better than none by an interval (docs/log.md)
    model: Literal["off", "embeddings", "pretrained", "hop"] = "hop"
    width: int = 32  # of the vectors of entities and relations; not searched


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """The settings that decide what a candidate becomes, given a snapshot.

    Branch [train] of the settings file. docs/log.md has the experiments behind the defaults.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    encoder_memory: EncoderMemoryConfig = field(default_factory=EncoderMemoryConfig)
    pictures: PictureEncoderConfig = field(default_factory=PictureEncoderConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    facts: FactsConfig = field(default_factory=FactsConfig)
    policy_gradient: PolicyGradientConfig = field(default_factory=PolicyGradientConfig)
    # what people chose predicts what they choose next
    positive_types: tuple[str, ...] = POSITIVE_TYPES
    # trained on as negatives, like what was shown and not chosen
    negative_types: tuple[str, ...] = NEGATIVE_TYPES
    # when set, only ratings of at least this much are ranking positives
    positive_rating: float | None = None
    # attributes that count as facts in reasons, such as brand; none, because a shop knows which of
    # them name something
    relations: tuple[str, ...] | None = None
    # the encoder reads the names of what facts relate an item to, after its own text; off, because
    # new films of MovieLens 100K were ranked worse by a graph of ids without names (docs/log.md)
    neighbour_names: bool = False
    rating_weight: float = 1.0  # .2 gave the same ranking and a slightly worse RMSE
    # of 16 sequences a step; two more make no measurable difference and cost a sixth more
    full_epochs: int = 12
    # 8e-3 is as good; 2e-3 loses a tenth of NDCG@10, 12e-3 begins to lose; wider models need less
    full_lr: float = 6e-3
    # one loses .003 NDCG@10, three bring no measurable gain
    update_epochs: int = 2
    # constant; None: the same as full_lr. A third of it learns too slowly, and with twice as much
    # some updates are refused
    update_lr: float | None = None
    # older events replayed for each new one, in runs of one user's; 40 takes half as long again
    replay_ratio: float = 20.0
    # weight of the served weights in the average with the new ones; .5 needs a third of the rate
    average_decay: float = 0.8
    # sequences, over all ranks; as many epochs of 32 are too few steps
    batch_size: int = 16
    # a step of a catalogue of this size or larger computes only the items of its batch and the
    # negatives, which takes a third of the time at 12,101 items
    full_softmax_items: int = 10_000
    num_negatives: int = 2_048  # drawn by popularity, shared by a batch; not tuned
    # from this size on, lists come from cells of similar items where those find enough of the best
    cells_items: int = 200_000
    # the share of the ten best items that lists from cells must have, with at most 64 cells a list
    cells_recall: float = 0.99
    # seconds between two checkpoints; large ones come less often, so that they take at most 2 % of
    # the time
    checkpoint_s: float = 60.0
    # seconds after which a rank that takes no part in a step is given up, and the training
    # starts again; much longer than a step, since the first rank may be writing a checkpoint
    step_limit_s: float = 600.0
    # seconds without any progress, in whatever part, after which a training is started again; more
    # than the longest part that says nothing meanwhile: an evaluation, or reading a large snapshot
    silence_limit_s: float = 3_600.0
    weight_decay: float = 0.01  # AdamW's own default; not searched
    seed: int = 0
    device: Device = "auto"  # a GPU if there is one for each rank
    # arrays of this size or larger are stored as a base, which many bundles share, and layers of
    # changed rows; those of 15,000 items are smaller, so the archives of such catalogues stay whole
    whole_array_mb: float = 4.0
    # next to a serving process, OpenMP barriers on a shared core slow training down 10 to 20 times
    num_threads: int = 1

    @property
    def signals(self) -> Signals:
        """The meaning of event types. Views stay history even if only purchases are predicted."""
        types = dict.fromkeys((*POSITIVE_TYPES, *self.positive_types))
        history = tuple(name for name in types if name not in self.negative_types)
        return Signals(history=history, negative=self.negative_types)

    @property
    def whole_bytes(self) -> int:
        """`whole_array_mb` in bytes."""
        return int(self.whole_array_mb * 1e6)

    def lr(self, *, update: bool) -> float:
        """Return the learning rate of an update, or the highest of a full training."""
        return self.full_lr if not update or self.update_lr is None else self.update_lr


def dump_config(config: TrainConfig, path: Path) -> None:
    """Write a configuration for the trainer's `--config`."""
    path.write_text(encode(config, indent=1), encoding="utf-8")


def load_config(path: Path) -> TrainConfig:
    """Read what `dump_config` wrote; raise ValueError naming the file."""
    try:
        return decode(path.read_text(encoding="utf-8"), TrainConfig)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: not a training configuration ({error})") from error
