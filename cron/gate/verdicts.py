"""The gate: is a candidate good enough to be served? Pure functions of a report, or of probe answers, and the settings.

Knows nothing of runs, versions in a ledger, or servers. Two verdicts: *offline* from the
candidate's report, before it becomes an archive; *online* from the answers of the registered
version, before it becomes the default. Every test leaves a reason with its figures.

A candidate is judged on the newest panel events and on older ones. Whoever floods the newest can
make them say what he likes; the older ones were there before he came, and are spread over the whole
journal.

The gate catches damage, not improvement: a single honest update gains less than the noise of its
evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from cron.gate.bootstrap import Interval, paired_mean_difference, paired_root_difference
from cron.gate.probe_answers import difference
from cron.gate.wording import signed
from cron.lineage import Reason
from cron.settings.tree import GateSettings
from trainer.report import Evaluation, Report, Scores

# With too few panel events to tell a loss of .01 from noise, only a clear ruin is refused: more than
# half of the quality lost, or errors up by over a quarter of the scale, with 95 % certainty.
SANITY_NDCG_RATIO = 0.5
SANITY_RMSE_SHARE = 0.25
SANITY_MIN_USERS = 5  # a bootstrap over fewer users understates the noise

FEW_EVENTS = "few_panel_events"  # the reason that sanity tests stand in for the tolerance tests

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """The versions behind the report's models `live` and `anchor`, for the texts."""

    live: int | None
    anchor: int | None
    live_is_baseline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Accepted when every reason is ok. `figures` are the candidate's own, for the manifest and the status page."""

    reasons: tuple[Reason, ...]
    figures: Mapping[str, float]

    @property
    def accepted(self) -> bool:
        """Tell whether every test was passed."""
        return all(reason.ok for reason in self.reasons)


def offline_verdict(
    report: Report, settings: GateSettings, against: Against, *, users: Set[str] | None = None
) -> Verdict:
    """Judge a candidate by its report.

    `users` are the panel users whom none of the compared models was trained on; None means all of
    the report's. A baseline has nothing to be compared with and must only be finite. With fewer
    than `min_users` users or `min_events` events the tolerance tests are replaced by sanity tests,
    and a reason says so.
    """
    reasons = [_finite(report)]
    panel, older = _narrowed(report.panel, users), _narrowed(report.older, users)
    figures = _figures(panel) | _older_figures(older)
    if report.mode != "baseline":
        is_scored = panel is not None and any(panel.num_events)
        if panel is None or not _is_enough(panel, settings):
            reasons.append(
                _too_few(
                    panel, settings, FEW_EVENTS, "sanity tests in place of the tolerance tests"
                )
            )
            if panel is not None and is_scored:
                reasons += _sanity(panel, settings, against, report.rating_scale)
        else:
            reasons += _tolerance(panel, older, settings, against, report.rating_scale)
        reasons += _older(older, settings, against, report.rating_scale)
        reasons += _newest_alone(reasons)
        reasons += (
            [*_coverage(panel, settings, against), *_beside_biases(panel)]
            if panel is not None and is_scored
            else []
        )
    return Verdict(reasons=tuple(reasons), figures=figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One request to the registered version: the offline answer, the one found (None when the version refused), and how long it took."""

    expected: object
    found: object
    latency_ms: float


def online_verdict(probes: Sequence[Probe], settings: GateSettings) -> Verdict:
    """Judge a registered version by its answers to the golden requests: equal to the offline ones, and quick enough.

    The latency is the 99th percentile by nearest rank, which among 20 probes is the slowest.
    """
    told = [
        text
        for text in (difference(probe.expected, probe.found) for probe in probes)
        if text is not None
    ]
    same = (
        f"{len(probes)} golden answers equal the offline ones"
        if not told
        else f"{len(told)} of {len(probes)} golden answers differ: {told[0]}"
    )
    reasons = [
        Reason(name="golden_answers", ok=not told, text=same, figure=float(len(told)), limit=0.0)
    ]
    figures: dict[str, float] = {}
    if probes:
        latencies = sorted(probe.latency_ms for probe in probes)
        p99 = latencies[math.ceil(0.99 * len(latencies)) - 1]
        ok = p99 <= settings.probe_p99_ms
        text = f"p99 latency {p99:.0f} ms over {len(probes)} probes, limit {settings.probe_p99_ms:.0f} ms: {_said(ok)}"
        reasons.append(
            Reason(name="latency", ok=ok, text=text, figure=p99, limit=settings.probe_p99_ms)
        )
        figures = {"probe_p99_ms": p99}
    return Verdict(reasons=tuple(reasons), figures=figures)


def _finite(report: Report) -> Reason:
    ok = report.finite_weights
    return Reason(
        name="finite_weights",
        ok=ok,
        text="all weights are finite" if ok else "a weight is NaN or infinite: not accepted",
    )


def _is_enough(evaluation: Evaluation, settings: GateSettings) -> bool:
    return (
        len(evaluation.user_ids) >= settings.min_users
        and sum(evaluation.num_events) >= settings.min_events
    )


def _too_few(
    evaluation: Evaluation | None, settings: GateSettings, name: str, instead: str
) -> Reason:
    num_users, num_events = (
        (len(evaluation.user_ids), sum(evaluation.num_events)) if evaluation is not None else (0, 0)
    )
    which = "panel" if name == FEW_EVENTS else "older panel"
    text = f"only {num_events} {which} events of {num_users} users, {settings.min_events} of {settings.min_users} are needed: {instead}"
    return Reason(
        name=name, ok=True, text=text, figure=float(num_events), limit=float(settings.min_events)
    )


def _tolerance(
    panel: Evaluation,
    older: Evaluation | None,
    settings: GateSettings,
    against: Against,
    scale: tuple[float, float] | None,
) -> list[Reason]:
    """Compare with live, the anchor and popularity: ranking, and rating error against live.

    Popularity is compared on all panel events: users without a past, of whom anybody can send
    hundreds, tell no ranker from it.
    """
    reasons = []
    everything = [panel, older] if older is not None and _is_enough(older, settings) else [panel]
    tests = (
        ("live", -settings.live_tolerance, [panel]),
        ("anchor", -settings.anchor_tolerance, [panel]),
        ("popularity", settings.popularity_margin, everything),
    )
    for name, limit, evaluations in tests:
        if all(name in one.models for one in evaluations):
            interval = _ndcg_difference(evaluations, name, settings.resamples)
            # strictly above: a ranker that *is* popularity differs by exactly 0 and is refused
            reasons.append(_ndcg_reason(f"ndcg_{name}", _called(name, against), interval, limit))
    return [*reasons, *_rmse_reason("rmse_live", panel, settings, against, scale)]


def _older(
    older: Evaluation | None,
    settings: GateSettings,
    against: Against,
    scale: tuple[float, float] | None,
) -> list[Reason]:
    """Compare with live on the older panel events; a flood of new ones may read as an improvement there and nowhere else."""
    if older is None or "live" not in older.models:
        return []
    if not _is_enough(older, settings):
        return [_too_few(older, settings, "few_older_events", "the newest alone decide")]
    interval = _ndcg_difference([older], "live", settings.resamples)
    called = f"{_called('live', against)} on older events"
    return [
        _ndcg_reason("ndcg_older", called, interval, -settings.older_tolerance),
        *_rmse_reason("rmse_older", older, settings, against, scale),
    ]


def _newest_alone(reasons: Sequence[Reason]) -> list[Reason]:
    """Say of a sure gain on the newest events that the older ones do not show it; that decides nothing."""
    newest, older = (
        next((one for one in reasons if one.name == name), None)
        for name in ("ndcg_live", "ndcg_older")
    )
    if (
        newest is None
        or older is None
        or newest.low is None
        or older.low is None
        or newest.low <= 0
        or older.low > 0
    ):
        return []
    text = (
        f"the gain of {signed(newest.figure or 0.0)} is on the newest events alone, the older ones say {signed(older.figure or 0.0)}: "
        "the data changed, which need not make the model better"
    )
    return [
        Reason(name="newest_alone", ok=True, text=text, figure=newest.figure, limit=older.figure)
    ]


def _ndcg_reason(name: str, called: str, interval: Interval, limit: float) -> Reason:
    ok = interval.low > limit
    text = f"NDCG@10 {signed(interval.figure)} against {called}, 95 % lower bound {signed(interval.low)}, limit {signed(limit)}: {_said(ok)}"
    return _reason(name, text, interval, ok=ok, limit=limit)


def _rmse_reason(
    name: str,
    evaluation: Evaluation,
    settings: GateSettings,
    against: Against,
    scale: tuple[float, float] | None,
) -> list[Reason]:
    interval = _rmse_difference(evaluation, settings.resamples)
    if interval is None or scale is None:
        return []
    limit = settings.rating_tolerance * (scale[1] - scale[0])
    ok = bool(interval.high <= limit)
    on_older = " on older events" if name == "rmse_older" else ""
    text = (
        f"rating error (RMSE) {signed(interval.figure)} against {_called('live', against)}{on_older}, "
        f"95 % upper bound {signed(interval.high)}, limit {signed(limit)}: {_said(ok)}"
    )
    return [_reason(name, text, interval, ok=ok, limit=limit)]


def _sanity(
    panel: Evaluation,
    settings: GateSettings,
    against: Against,
    scale: tuple[float, float] | None,
) -> list[Reason]:
    """Refuse a candidate that is clearly ruined; a difference that may be noise is accepted."""
    if len(panel.user_ids) < SANITY_MIN_USERS:
        return []
    reasons = []
    reference = "live" if "live" in panel.models else "popularity"
    if reference in panel.models:
        interval = _ndcg_difference([panel], reference, settings.resamples, ratio=SANITY_NDCG_RATIO)
        ok = interval.high >= 0
        text = (
            f"sanity: NDCG@10 {mean_ndcg(panel, 'candidate'):.3f}, half of that of "
            f"{_called(reference, against)} is "
            f"{SANITY_NDCG_RATIO * mean_ndcg(panel, reference):.3f}: {_bounds(interval)}, "
            f"the upper bound must be at least 0: {_said(ok)}"
        )
        reasons.append(_reason("sanity_ndcg", text, interval, ok=ok, limit=0.0))
    interval_of_errors = _rmse_difference(panel, settings.resamples)
    if interval_of_errors is not None and scale is not None:
        limit = SANITY_RMSE_SHARE * (scale[1] - scale[0])
        ok = interval_of_errors.low <= limit
        text = (
            f"sanity: rating error (RMSE) against {_called('live', against)}: "
            f"{_bounds(interval_of_errors)}, the lower bound must be at most {signed(limit)}: "
            f"{_said(ok)}"
        )
        reasons.append(_reason("sanity_rmse", text, interval_of_errors, ok=ok, limit=limit))
    return reasons


def _bounds(interval: Interval) -> str:
    return (
        f"difference {signed(interval.figure)}, "
        f"95 % bounds {signed(interval.low)} and {signed(interval.high)}"
    )


def _coverage(panel: Evaluation, settings: GateSettings, against: Against) -> list[Reason]:
    if (
        "live" not in panel.models or against.live_is_baseline
    ):  # lists by text similarity cover much, and are worse for it
        return []
    found, limit = (
        panel.models["candidate"].coverage,
        settings.min_coverage_ratio * panel.models["live"].coverage,
    )
    ok = found >= limit
    text = f"top-10 lists cover {found:.1%} of the catalogue, at least {limit:.1%} (by {_called('live', against)}): {_said(ok)}"
    return [Reason(name="coverage", ok=ok, text=text, figure=found, limit=limit)]


def _beside_biases(panel: Evaluation) -> list[Reason]:
    """Say how the ratings stand beside progressive user and item biases; that decides nothing."""
    found, biases = rmse(panel, "candidate"), rmse(panel, "biases")
    if found is None or biases is None:
        return []
    text = (
        f"rating error (RMSE) {found:.3f}, where progressive user and item biases have {biases:.3f}"
    )
    return [Reason(name="rmse_biases", ok=True, text=text, figure=found, limit=biases)]


def mean_ndcg(evaluation: Evaluation, model: str) -> float:
    """Return a model's NDCG@10 over all events; 0 without events."""
    num_events = np.array(evaluation.num_events, dtype=float)
    if num_events.sum() == 0:
        return 0.0
    return float(
        np.array(evaluation.models[model].ndcg, dtype=float) @ num_events / num_events.sum()
    )


def rmse(evaluation: Evaluation, model: str) -> float | None:
    """Return the root of a model's mean squared error over all ratings; None when it predicts none."""
    if model not in evaluation.models:
        return None
    rated = [
        (error, n)
        for error, n in zip(
            evaluation.models[model].squared_error, evaluation.num_ratings, strict=True
        )
        if error is not None and n
    ]
    if not rated:
        return None
    return float(np.sqrt(sum(error * n for error, n in rated) / sum(n for _, n in rated)))


def _ndcg_difference(
    evaluations: Sequence[Evaluation], reference: str, resamples: int, *, ratio: float = 1.0
) -> Interval:
    """Compare the candidate's NDCG with `ratio` times the reference's, over all evaluations' users.

    A user who is in several evaluations is one user, with all their events.
    """
    users = {
        user: place
        for place, user in enumerate(
            dict.fromkeys(user for one in evaluations for user in one.user_ids)
        )
    }
    gain_2U, events_U = np.zeros((2, len(users))), np.zeros(len(users))
    for one in evaluations:
        place_U, num_events = (
            np.array([users[user] for user in one.user_ids], dtype=int),
            np.array(one.num_events, dtype=float),
        )
        events_U[place_U] += num_events
        for row, name in enumerate(("candidate", reference)):
            gain_2U[row, place_U] += np.array(one.models[name].ndcg, dtype=float) * num_events
    with np.errstate(invalid="ignore"):
        mean_2U = np.where(events_U > 0, gain_2U / np.maximum(events_U, 1), 0.0)
    return paired_mean_difference(mean_2U[0], ratio * mean_2U[1], events_U, resamples=resamples)


def _rmse_difference(panel: Evaluation, resamples: int) -> Interval | None:
    """Compare the rating errors over the users for whom both models have one; None when there are none."""
    if "live" not in panel.models:
        return None
    pairs = zip(
        panel.models["candidate"].squared_error,
        panel.models["live"].squared_error,
        panel.num_ratings,
        strict=True,
    )
    rated = [
        (mine, theirs, n)
        for mine, theirs, n in pairs
        if mine is not None and theirs is not None and n
    ]
    if not rated:
        return None
    mine, theirs, num_ratings = (
        np.array(column, dtype=float) for column in zip(*rated, strict=True)
    )
    return paired_root_difference(mine, theirs, num_ratings, resamples=resamples)


def _narrowed(evaluation: Evaluation | None, users: Set[str] | None) -> Evaluation | None:
    if evaluation is None or users is None or all(user in users for user in evaluation.user_ids):
        return evaluation
    kept = [row for row, user in enumerate(evaluation.user_ids) if user in users]
    return Evaluation(
        user_ids=_picked(evaluation.user_ids, kept),
        num_events=_picked(evaluation.num_events, kept),
        num_ratings=_picked(evaluation.num_ratings, kept),
        models={
            name: Scores(
                ndcg=_picked(one.ndcg, kept),
                squared_error=_picked(one.squared_error, kept),
                coverage=one.coverage,
            )
            for name, one in evaluation.models.items()
        },
    )


def _picked(values: tuple[_Value, ...], rows: list[int]) -> tuple[_Value, ...]:
    return tuple(values[row] for row in rows)


def _figures(panel: Evaluation | None) -> dict[str, float]:
    if panel is None:
        return {}
    figures = {
        "panel_users": float(len(panel.user_ids)),
        "panel_events": float(sum(panel.num_events)),
    }
    for name, scores in panel.models.items():
        figures |= (
            {f"ndcg_{name}": mean_ndcg(panel, name)} if name != "biases" else {}
        )  # which rank nothing
        error = rmse(panel, name)
        figures |= {f"rmse_{name}": error} if error is not None else {}
        figures |= {f"coverage_{name}": scores.coverage} if name in ("candidate", "live") else {}
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def _older_figures(older: Evaluation | None) -> dict[str, float]:
    if older is None:
        return {}
    figures = {
        f"ndcg_older_{name}": mean_ndcg(older, name)
        for name in ("candidate", "live")
        if name in older.models
    }
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def _reason(name: str, text: str, interval: Interval, *, ok: bool, limit: float) -> Reason:
    figure, low, high = (
        value if math.isfinite(value) else None
        for value in (interval.figure, interval.low, interval.high)
    )
    return Reason(name=name, ok=ok, text=text, figure=figure, low=low, high=high, limit=limit)


def _called(name: str, against: Against) -> str:
    if name == "live":
        return f"version {against.live}"
    return f"the last full retrain, version {against.anchor}" if name == "anchor" else name


def _said(ok: bool) -> str:
    return "accepted" if ok else "not accepted"
