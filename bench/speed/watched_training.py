"""A training by a launcher, and what its progress says while it runs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cron.wiring import open_launcher
from trainer.candidate_files import PROGRESS, partial_of
from trainer.config import TrainConfig
from trainer.report import Report, read_report

LIMIT_S = 1_800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What a training's progress said at a time: its start, its ranks, and the steps done.

    `has_stepped` is whether this start has taken a step. Before, `done` is the step at which it
    goes on, or 0.
    """

    at_s: float
    starts: int = 0
    ranks: int = 0
    done: int = 0
    has_stepped: bool = False


def train(url: str, snapshot: Path, config: TrainConfig, folder: Path) -> Report:
    """Train by one launcher and return the report; folders beside share the vectors of texts."""
    launcher = open_launcher(url, text_cache=folder.parent / "texts")
    out = launcher.train(snapshot, config, folder / "candidate", limit_s=LIMIT_S)
    return read_report(out / "report.json")


def glance(out: Path) -> Glance:
    """Look at the progress of a training; without progress, nothing has started."""
    state, at_s = _state(out), time.monotonic()
    if not state:
        return Glance(at_s=at_s)
    trains = state["phase"] == "train"
    return Glance(
        at_s=at_s,
        starts=int(state["starts"] or 0),
        ranks=int(state["ranks"] or 0),
        done=int(state["done"] or 0) if trains else 0,
        has_stepped=trains and state["loss"] is not None,
    )


def _state(out: Path) -> Mapping[str, int | str | None]:
    with suppress(OSError, ValueError):
        text = (partial_of(out) / PROGRESS).read_text(encoding="utf-8")
        state: dict[str, int | str | None] = json.loads(text)
        return state
    return {}
