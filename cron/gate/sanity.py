"""The sanity tests: with few panel events, only a clearly ruined candidate is refused.

A small panel cannot tell a loss of .01 from noise. Ruined means: more than half of the quality
lost, or the rating error up by more than a quarter of the scale, with 95 % certainty.
"""

from __future__ import annotations

from cron.gate.bootstrap import Interval
from cron.gate.comparison import mean_ndcg, ndcg_difference, rmse_difference
from cron.gate.wording import Against, interval_reason, model_name, signed_text, verdict_word
from cron.lineage import Reason
from trainer.report import Evaluation

NDCG_RATIO = 0.5
RMSE_SHARE = 0.25
MIN_USERS = 5  # a bootstrap over fewer users understates the noise


def sanity_reasons(
    panel: Evaluation, resamples: int, against: Against, scale: tuple[float, float] | None
) -> list[Reason]:
    """Return the reasons of the tests that a panel allows; none for fewer than MIN_USERS users."""
    if len(panel.user_ids) < MIN_USERS:
        return []
    return [
        *_ndcg_reasons(panel, resamples, against),
        *sanity_rmse_reasons(panel, resamples, against, scale),
    ]


def _ndcg_reasons(panel: Evaluation, resamples: int, against: Against) -> list[Reason]:
    reference = "live" if "live" in panel.models else "popularity"
    if reference not in panel.models:
        return []
    interval = ndcg_difference([panel], reference, resamples, ratio=NDCG_RATIO)
    ok = bool(interval.high >= 0)
    text = (
        f"sanity: NDCG@10 {mean_ndcg(panel, 'candidate'):.3f}, half of that of "
        f"{model_name(reference, against)} is {NDCG_RATIO * mean_ndcg(panel, reference):.3f}: "
        f"{_bounds(interval)}, the upper bound must be at least 0: {verdict_word(ok)}"
    )
    return [interval_reason("sanity_ndcg", text, interval, ok=ok, limit=0.0)]


def sanity_rmse_reasons(
    panel: Evaluation, resamples: int, against: Against, scale: tuple[float, float] | None
) -> list[Reason]:
    """Return the sanity test of rating errors alone; none without ratings or a live model."""
    interval = rmse_difference(panel, resamples)
    if interval is None or scale is None:
        return []
    limit = RMSE_SHARE * (scale[1] - scale[0])
    ok = bool(interval.low <= limit)
    text = (
        f"sanity: rating error (RMSE) against {model_name('live', against)}: "
        f"{_bounds(interval)}, the lower bound must be at most {signed_text(limit)}: "
        f"{verdict_word(ok)}"
    )
    return [interval_reason("sanity_rmse", text, interval, ok=ok, limit=limit)]


def _bounds(interval: Interval) -> str:
    return (
        f"difference {signed_text(interval.difference)}, "
        f"95 % bounds {signed_text(interval.low)} and {signed_text(interval.high)}"
    )
