"""The tolerance tests: is a candidate worse than live, the anchor or popularity by too much?

They need `min_users` users and `min_events` events, and those of rating errors as many ratings;
with fewer, `cron.gate.sanity` decides.
"""

from __future__ import annotations

from collections.abc import Sequence

from cron.gate.bootstrap import Interval
from cron.gate.comparison import mean_ndcg, ndcg_difference, rmse_difference
from cron.gate.sanity import sanity_rmse_reasons
from cron.gate.wording import Against, interval_reason, model_name, signed_text, verdict_word
from cron.lineage import Reason
from cron.settings.tree import GateSettings
from trainer.report import Evaluation

FEW_EVENTS = "few_panel_events"  # the reason that sanity tests replace the tolerance tests

Scale = tuple[float, float]  # smallest and greatest rating


def is_enough(evaluation: Evaluation, settings: GateSettings) -> bool:
    """Return whether an evaluation has enough users and events for the tolerance tests."""
    num_users, num_events = len(evaluation.user_ids), sum(evaluation.num_events)
    return num_users >= settings.min_users and num_events >= settings.min_events


def too_few_reason(panel: Evaluation | None, settings: GateSettings) -> Reason:
    """Return the reason that sanity tests replace the tolerance tests."""
    instead = "sanity tests in place of the tolerance tests"
    return _too_few(FEW_EVENTS, "panel", panel, settings, instead=instead)


def newest_events_reasons(
    panel: Evaluation,
    older: Evaluation | None,
    settings: GateSettings,
    against: Against,
    scale: Scale | None,
) -> list[Reason]:
    """Compare ranking with live, the anchor and popularity, and rating errors with live.

    Popularity is compared on newest and older events together: on users without a past no ranker
    differs from popularity, and anybody can send hundreds of those.
    """
    reasons = []
    everything = [panel, older] if older is not None and is_enough(older, settings) else [panel]
    tests = (
        ("live", -settings.live_tolerance, [panel]),
        ("anchor", -settings.anchor_tolerance, [panel]),
        ("popularity", settings.popularity_margin, everything),
    )
    for model, limit, evaluations in tests:
        if model not in against.left_out and all(model in one.models for one in evaluations):
            interval = ndcg_difference(evaluations, model, settings.resamples)
            name = model_name(model, against)
            reasons.append(_ndcg_reason(f"ndcg_{model}", name, interval, limit))
    return [*reasons, *_rmse_reasons("rmse_live", panel, settings, against, scale)]


def floor_reasons(
    panel: Evaluation,
    older: Evaluation | None,
    settings: GateSettings,
    against: Against,
    scale: Scale | None,
) -> list[Reason]:
    """Compare ranking with a share of live's, and rating errors as in the tolerance tests.

    For a candidate whose lists surely earn more: it may be worse at next choices, and not ruined.
    """
    floor = settings.off_policy.next_choice_floor
    name = model_name("live", against)
    reasons = [_floor_reason("ndcg_floor", panel, name, floor, settings.resamples)]
    reasons += _rmse_reasons("rmse_live", panel, settings, against, scale)
    if older is not None and "live" in older.models and is_enough(older, settings):
        name = f"{name} on older events"
        reasons.append(_floor_reason("ndcg_older_floor", older, name, floor, settings.resamples))
        reasons += _rmse_reasons("rmse_older", older, settings, against, scale)
    return reasons


def older_events_reasons(
    older: Evaluation | None, settings: GateSettings, against: Against, scale: Scale | None
) -> list[Reason]:
    """Compare with live on the older panel events.

    A flood of new events may look like an improvement on those, but not on the older ones.
    """
    if older is None or "live" not in older.models:
        return []
    if not is_enough(older, settings):
        instead = "the newest alone decide"
        return [_too_few("few_older_events", "older panel", older, settings, instead=instead)]
    interval = ndcg_difference([older], "live", settings.resamples)
    name = f"{model_name('live', against)} on older events"
    return [
        _ndcg_reason("ndcg_older", name, interval, -settings.older_tolerance),
        *_rmse_reasons("rmse_older", older, settings, against, scale),
    ]


def newest_alone_reasons(reasons: Sequence[Reason]) -> list[Reason]:
    """Return a remark when a certain gain on the newest events is not seen on the older ones.

    It never refuses a candidate.
    """
    by_name = {reason.name: reason for reason in reasons}
    newest, older = by_name.get("ndcg_live"), by_name.get("ndcg_older")
    if newest is None or newest.low is None or newest.low <= 0:
        return []
    if older is None or older.low is None or older.low > 0:
        return []
    text = (
        f"the gain of {signed_text(newest.value or 0.0)} is on the newest events alone, "
        f"the older ones say {signed_text(older.value or 0.0)}: "
        "the data changed, which need not make the model better"
    )
    return [Reason(name="newest_alone", ok=True, text=text, value=newest.value, limit=older.value)]


def _too_few(
    name: str, which: str, evaluation: Evaluation | None, settings: GateSettings, *, instead: str
) -> Reason:
    num_users = len(evaluation.user_ids) if evaluation is not None else 0
    num_events = sum(evaluation.num_events) if evaluation is not None else 0
    text = (
        f"only {num_events} {which} events of {num_users} users, "
        f"{settings.min_events} of {settings.min_users} are needed: {instead}"
    )
    return Reason(
        name=name, ok=True, text=text, value=float(num_events), limit=float(settings.min_events)
    )


def _ndcg_reason(name: str, reference: str, interval: Interval, limit: float) -> Reason:
    # strictly above: a ranker that *is* popularity differs by exactly 0 and is refused
    ok = interval.low > limit
    text = (
        f"NDCG@10 {signed_text(interval.difference)} against {reference}, "
        f"95 % lower bound {signed_text(interval.low)}, limit {signed_text(limit)}: "
        f"{verdict_word(ok)}"
    )
    return interval_reason(name, text, interval, ok=ok, limit=limit)


def _floor_reason(
    name: str, evaluation: Evaluation, reference: str, floor: float, resamples: int
) -> Reason:
    interval = ndcg_difference([evaluation], "live", resamples, ratio=floor)
    ok = bool(interval.low >= 0)
    needed = floor * mean_ndcg(evaluation, "live")
    text = (
        f"NDCG@10 {mean_ndcg(evaluation, 'candidate'):.3f}; its lists surely earn more, so "
        f"it needs only {floor:.0%} of {reference}, {needed:.3f}: "
        f"95 % lower bound of the difference {signed_text(interval.low)}: {verdict_word(ok)}"
    )
    return interval_reason(name, text, interval, ok=ok, limit=0.0)


def _rmse_reasons(
    name: str,
    evaluation: Evaluation,
    settings: GateSettings,
    against: Against,
    scale: Scale | None,
) -> list[Reason]:
    interval = rmse_difference(evaluation, settings.resamples)
    if interval is None or scale is None:
        return []
    if sum(evaluation.num_ratings) < settings.min_events:
        # Where one event in fifty is a rating, the noise of twenty ratings would decide.
        return sanity_rmse_reasons(evaluation, settings.resamples, against, scale)
    limit = settings.rating_tolerance * (scale[1] - scale[0])
    ok = bool(interval.high <= limit)
    on_older = " on older events" if name == "rmse_older" else ""
    text = (
        f"rating error (RMSE) {signed_text(interval.difference)} against "
        f"{model_name('live', against)}{on_older}, 95 % upper bound {signed_text(interval.high)}, "
        f"limit {signed_text(limit)}: {verdict_word(ok)}"
    )
    return [interval_reason(name, text, interval, ok=ok, limit=limit)]
