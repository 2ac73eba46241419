"""What a candidate says about itself: the figures that the gate judges. Torch-free, JSON on disk as `report.json`.

Scores are kept per panel user, so that the gate can resample users; nothing here decides whether
they are good enough.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from trainer.config import Mode

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """One model's figures on one set of scored events; every tuple has one entry a user, in the order of `Evaluation.user_ids`.

    `ndcg[u]` is the mean NDCG@10 over that user's scored events (full ranking, seen items filtered,
    an item that the catalogue lacks is a miss). `squared_error[u]` is the mean over that user's
    ratings, None where the user has none. `coverage` is the share of the catalogue that appears in
    at least one of the top-10 lists.
    """

    ndcg: tuple[float, ...]
    squared_error: tuple[float | None, ...]
    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Several models on the same events. Keys of `models`: candidate, live, anchor, popularity, biases (ratings only)."""

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
class Report:
    """`report.json` of a candidate."""

    mode: Mode
    finite_weights: bool
    num_targets: int
    num_replay: int
    num_items: int
    rating_scale: (
        tuple[float, float] | None
    )  # smallest and greatest rating seen; None without ratings
    panel: Evaluation | None  # the newest panel events; None where there is none to score
    fresh: Evaluation | None  # the live model on the new events, before training on them
    losses: tuple[float, ...]  # mean training loss of each epoch
    popular: tuple[PopularItem, ...]
    data_digest: str
    bundle_digest: str
    versions: Mapping[str, str]
    seconds: Mapping[str, float]  # per phase: read, encode, train, evaluate
    older: Evaluation | None = (
        None  # panel events that were there before the live model's training ended
    )


def write_report(report: Report, path: Path) -> None:
    """Write a report; the candidate folder is renamed into place as a whole, so this need not be atomic."""
    path.write_text(json.dumps({"format": FORMAT, **asdict(report)}, indent=1))


def read_report(path: Path) -> Report:
    """Read what `write_report` wrote."""
    raw = json.loads(path.read_text())
    if raw.pop("format") != FORMAT:
        raise ValueError(f"{path}: not a report of format {FORMAT}")
    for name in ("panel", "fresh", "older"):
        if raw.get(name) is not None:
            raw[name] = _evaluation(raw[name])
    raw["popular"] = tuple(PopularItem(**item) for item in raw["popular"])
    raw["losses"] = tuple(raw["losses"])
    raw["rating_scale"] = tuple(raw["rating_scale"]) if raw["rating_scale"] is not None else None
    return Report(**raw)


def _evaluation(
    raw: Mapping[str, Mapping[str, dict[str, float]] | list[str] | list[int]],
) -> Evaluation:
    models = raw["models"]
    assert isinstance(models, dict)
    return Evaluation(
        user_ids=tuple(str(user_id) for user_id in raw["user_ids"]),
        num_events=tuple(int(number) for number in raw["num_events"]),
        num_ratings=tuple(int(number) for number in raw["num_ratings"]),
        models={
            name: Scores(
                **{**one, "ndcg": tuple(one["ndcg"]), "squared_error": tuple(one["squared_error"])}
            )
            for name, one in models.items()
        },
    )
