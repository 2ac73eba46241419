"""How the gate's reasons read: names of models, +.012 and −.014, accepted or not."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from cron.gate.bootstrap import Interval
from cron.lineage import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """The versions of the report's models `live` and `anchor`.

    `list_learners` are those of the two that learned from lists. `left_out` are models that the
    candidate's next choices are not compared with.
    """

    live: int | None
    anchor: int | None
    live_is_baseline: bool = False
    list_learners: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()


def without_next_choice_models(against: Against) -> Against:
    """Leave out the models that learned from next choices alone, if live learned from lists.

    A model that learned from lists gives up next choices for later rewards, as live did before.
    """
    if "live" not in against.list_learners:
        return against
    return replace(against, left_out=frozenset({"anchor", "popularity"}) - against.list_learners)


def signed_text(value: float) -> str:
    """Format a difference with its sign and three decimals, without a leading zero.

    A difference that rounds to zero is "0".
    """
    shown = f"{value:+.3f}"
    if shown in ("+0.000", "-0.000"):
        return "0"
    if abs(value) < 1:
        shown = shown.replace("0.", ".", 1)
    return shown.replace("-", "−")


def model_name(model: str, against: Against) -> str:
    """Return how a reason names one of the report's models."""
    if model == "live":
        return f"version {against.live}"
    if model == "anchor":
        return f"the last full retrain, version {against.anchor}"
    return model


def verdict_word(ok: bool) -> str:
    """Return "accepted" or "not accepted"."""
    return "accepted" if ok else "not accepted"


def interval_reason(name: str, text: str, interval: Interval, *, ok: bool, limit: float) -> Reason:
    """Return a reason with a difference and its bounds; values that are not finite are None."""
    return Reason(
        name=name,
        ok=ok,
        text=text,
        value=_finite_or_none(interval.difference),
        low=_finite_or_none(interval.low),
        high=_finite_or_none(interval.high),
        limit=limit,
    )


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
