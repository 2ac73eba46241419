"""The trainer's settings and the values that pass between cron and the trainer; torch-free."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from recommender.config import NEGATIVE_TYPES, POSITIVE_TYPES, EncoderConfig, ModelConfig, Signals

Mode = Literal["full", "update", "items", "baseline"]
Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Everything that decides what a candidate becomes, given a snapshot. Branch [train] of the settings file."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    positive_types: tuple[str, ...] = (
        POSITIVE_TYPES  # what people choose predicts what they choose next
    )
    negative_types: tuple[str, ...] = (
        NEGATIVE_TYPES  # learned as negatives, as what was shown and not chosen is
    )
    positive_rating: float | None = (
        None  # set it to make only ratings at or over it ranking positives
    )
    rating_weight: float = 1.0  # .2 gave the same ranking and a slightly worse RMSE; docs/log.md
    full_epochs: int = (
        12  # of 16 sequences a step; two more are not told apart and cost a sixth more; docs/log.md
    )
    # 8e-3 is as good; 2e-3 loses a tenth of NDCG@10, 12e-3 begins to lose; wider models want less;
    # docs/log.md
    full_lr: float = 6e-3
    update_epochs: int = (
        2  # one loses .003 NDCG@10, three gain nothing that can be told; docs/log.md
    )
    update_lr: float | None = (
        # constant; none: as full_lr, for a third learns too slowly and twice is refused at times;
        # docs/log.md
        None
    )
    # older events replayed for each new one, as runs of a user's; 40 takes half as long again;
    # docs/log.md
    replay_ratio: float = 20.0
    # of the served weights in the average with the newly trained; .5 wants a third of the rate;
    # docs/log.md
    average_decay: float = 0.8
    batch_size: int = (
        16  # sequences, over all ranks; as many epochs of 32 are too few steps; docs/log.md
    )
    weight_decay: float = 0.01  # AdamW's own default; not searched
    seed: int = 0
    device: Device = "auto"  # a GPU when there is one for each rank
    # beside a serving process, OpenMP barriers on a shared core stall training 10 to 20 times
    num_threads: int = 1

    @property
    def signals(self) -> Signals:
        """What event types say. A view stays history where only purchases are to be predicted."""
        types = dict.fromkeys((*POSITIVE_TYPES, *self.positive_types))
        history = tuple(name for name in types if name not in self.negative_types)
        return Signals(history=history, negative=self.negative_types)

    def lr(self, *, update: bool) -> float:
        """Return the learning rate of an update, or the highest of a full training."""
        return self.full_lr if not update or self.update_lr is None else self.update_lr


def dump_config(config: TrainConfig, path: Path) -> None:
    """Write a configuration as the trainer's `--config` reads it."""
    path.write_text(json.dumps(asdict(config), indent=1))


def load_config(path: Path) -> TrainConfig:
    """Read what `dump_config` wrote; raise ValueError naming the file."""
    try:
        raw = json.loads(path.read_text())
        raw["encoder"] = EncoderConfig(**raw["encoder"])
        raw["model"] = ModelConfig(**raw["model"])
        for name in ("positive_types", "negative_types"):
            raw[name] = tuple(raw[name])
        return TrainConfig(**raw)
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a training configuration ({error!r})") from error
