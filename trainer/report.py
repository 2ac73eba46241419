"""The report of a candidate: the metrics that the gate judges, as `report.json`. Torch-free.

Scores are kept per panel user, so that the gate can resample users. Whether they are good enough is
not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainer.codec import decode, encode
from trainer.config import Mode

CANDIDATE = "candidate"  # as a key of an evaluation's models


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """One model's metrics on one set of scored events.

    Every tuple has one entry per user, in the order of `Evaluation.user_ids`. `ndcg[u]` is the mean
    NDCG@10 over that user's scored events (full ranking, seen items filtered, an item that the
    catalogue lacks is a miss). `squared_error[u]` is the mean over that user's ratings, None where
    the user has none. `coverage` is the share of the catalogue that appears in at least one of the
    top-10 lists.
    """

    ndcg: tuple[float, ...]
    squared_error: tuple[float | None, ...]
    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Several models on the same events.

    Keys of `models`: candidate, live, anchor, popularity, biases (ratings only).
    """

    user_ids: tuple[str, ...]
    num_events: tuple[int, ...]
    num_ratings: tuple[int, ...]
    models: Mapping[str, Scores]


@dataclass(frozen=True, slots=True, kw_only=True)
class PopularItem:
    """One of the most popular items, for the gateway's fallback."""

    item_id: str
    title: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyGradientReport:
    """What the policy gradient learned from.

    `num_learned` are the slates with a choice that has a propensity, by a user with a history.
    `effective_sizes` has, for each epoch, how many choices there effectively were. In an epoch with
    fewer than `min_effective_size` the term was left out.
    """

    num_slates: int
    num_learned: int
    min_effective_size: float
    effective_sizes: tuple[float, ...]

    @property
    def num_epochs(self) -> int:
        """The number of epochs that the term was trained in."""
        return sum(size >= self.min_effective_size for size in self.effective_sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The content of `report.json`.

    `panel` are the newest panel events, `older` those that were there before the live model's
    training ended; None where there are none to score. `fresh` is the live model on the new events,
    before training on them. `rating_scale` is the smallest and the greatest rating, None without
    ratings. `list_recall` is the share of the ten best items, by exact scores, that the served
    lists have; None for a small catalogue, whose lists come from all scores. `policy_gradient` is
    None where it is off or there were no slates. `modalities` has the candidate, and under the name
    of each modality the candidate with it shuffled among the items; None except of full retrains.
    """

    mode: Mode
    finite_weights: bool
    num_targets: int
    num_replay: int
    num_items: int
    rating_scale: tuple[float, float] | None
    panel: Evaluation | None
    fresh: Evaluation | None
    losses: tuple[float, ...]  # mean training loss of each epoch
    popular: tuple[PopularItem, ...]
    data_digest: str
    bundle_digest: str
    versions: Mapping[str, str]
    # per phase: read, encode, train, write, evaluate; of train: checkpoints, exchange
    seconds: Mapping[str, float]
    older: Evaluation | None = None
    list_recall: float | None = None
    policy_gradient: PolicyGradientReport | None = None
    modalities: Evaluation | None = None
    device_s: float = 0.0  # of all ranks together, earlier starts of the training included
    format: Literal[1] = 1


def write_report(report: Report, path: Path) -> None:
    """Write a report. It need not be atomic: the candidate's folder is renamed into place."""
    path.write_text(encode(report, indent=1), encoding="utf-8")


def read_report(path: Path) -> Report:
    """Read what `write_report` wrote; raise ValueError naming the file."""
    try:
        return decode(path.read_text(encoding="utf-8"), Report)
    except ValueError as error:
        raise ValueError(f"{path}: not a report of format 1: {error}") from error
