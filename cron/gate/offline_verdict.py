"""The offline verdict: is a candidate good enough to become an archive?

A pure function of the candidate's report and the settings. The online verdict, on the answers of
the registered version, is `cron.gate.online_verdict`. Every test leaves a reason with its numbers.

A candidate is judged on the newest panel events and on older ones. A flood of new events can make
the newest say anything. The older events were there before, and are spread over the whole journal.

The gate catches damage, not improvement: a single honest update gains less than the noise of its
evaluation.
"""

from __future__ import annotations

from collections.abc import Set

from cron.gate.comparison import panel_metrics, restricted_to, rmse
from cron.gate.list_estimates import (
    ListEvidence,
    list_metrics,
    list_reasons,
    may_differ_from_choices,
    surely_earns_more,
)
from cron.gate.modality_reasons import modality_reasons
from cron.gate.sanity import sanity_reasons
from cron.gate.tolerance import (
    Scale,
    floor_reasons,
    is_enough,
    newest_alone_reasons,
    newest_events_reasons,
    older_events_reasons,
    too_few_reason,
)
from cron.gate.verdict import Verdict
from cron.gate.wording import Against, model_name, verdict_word, without_next_choice_models
from cron.lineage import Reason
from cron.settings.tree import GateSettings
from trainer.report import Evaluation, Report


def offline_verdict(
    report: Report,
    settings: GateSettings,
    against: Against,
    *,
    users: Set[str] | None = None,
    lists: ListEvidence | None = None,
) -> Verdict:
    """Judge a candidate by its report.

    `users` are the panel users on whom none of the compared models was trained; None means all of
    the report's. A baseline has nothing to be compared with and must only be finite. With fewer
    than `min_users` users or `min_events` events the sanity tests replace the tolerance tests, and
    a reason says so. `lists` says what the candidate's lists would earn. One that learned from
    lists and surely earns more has a floor in place of the tolerances; one that follows a release
    that learned from lists is not compared with those that did not.
    """
    panel, older = restricted_to(report.panel, users), restricted_to(report.older, users)
    scale = report.rating_scale
    reasons = [_finite_reason(report)]
    if report.mode != "baseline":
        is_scored = panel is not None and any(panel.num_events)
        reasons += list_reasons(lists, settings.off_policy, against)
        if panel is not None and is_scored and surely_earns_more(lists, settings.off_policy):
            reasons += floor_reasons(panel, older, settings, against, scale)
        else:
            if may_differ_from_choices(lists, settings.off_policy):
                against = without_next_choice_models(against)
            reasons += _next_choice_reasons(panel, older, settings, against, scale)
        if panel is not None and is_scored:
            reasons += _coverage_reasons(panel, settings.min_coverage_ratio, against)
            reasons += _biases_reasons(panel)
    reasons += modality_reasons(report.modalities, users, settings.resamples)
    reasons += _recall_reasons(report.list_recall, settings.min_recall)
    metrics = {**panel_metrics(panel, older), **list_metrics(lists)}
    return Verdict(reasons=tuple(reasons), metrics=metrics)


def _next_choice_reasons(
    panel: Evaluation | None,
    older: Evaluation | None,
    settings: GateSettings,
    against: Against,
    scale: Scale | None,
) -> list[Reason]:
    """Compare the ranking of next choices, and ratings, on the newest and the older events."""
    reasons = []
    if panel is not None and is_enough(panel, settings):
        reasons += newest_events_reasons(panel, older, settings, against, scale)
    else:
        reasons.append(too_few_reason(panel, settings))
        if panel is not None and any(panel.num_events):
            reasons += sanity_reasons(panel, settings.resamples, against, scale)
    reasons += older_events_reasons(older, settings, against, scale)
    return [*reasons, *newest_alone_reasons(reasons)]


def _finite_reason(report: Report) -> Reason:
    ok = report.finite_weights
    text = "all weights are finite" if ok else "a weight is NaN or infinite: not accepted"
    return Reason(name="finite_weights", ok=ok, text=text)


def _coverage_reasons(panel: Evaluation, min_ratio: float, against: Against) -> list[Reason]:
    """Compare coverage with live's, unless live is a baseline.

    A baseline's lists by text similarity cover much of the catalogue, and are worse for it.
    """
    if "live" not in panel.models or against.live_is_baseline:
        return []
    coverage = panel.models["candidate"].coverage
    limit = min_ratio * panel.models["live"].coverage
    ok = coverage >= limit
    text = (
        f"top-10 lists cover {coverage:.1%} of the catalogue, at least {limit:.1%} "
        f"(by {model_name('live', against)}): {verdict_word(ok)}"
    )
    return [Reason(name="coverage", ok=ok, text=text, value=coverage, limit=limit)]


def _recall_reasons(recall: float | None, limit: float) -> list[Reason]:
    """Compare the lists of a large catalogue with those by exact scores."""
    if recall is None:
        return []
    ok = recall >= limit
    text = (
        f"top-10 lists have {recall:.1%} of the ten best items, at least {limit:.1%}: "
        f"{verdict_word(ok)}"
    )
    return [Reason(name="list_recall", ok=ok, text=text, value=recall, limit=limit)]


def _biases_reasons(panel: Evaluation) -> list[Reason]:
    """Report the rating error beside that of progressive user and item biases; never refuse."""
    error, biases = rmse(panel, "candidate"), rmse(panel, "biases")
    if error is None or biases is None:
        return []
    text = (
        f"rating error (RMSE) {error:.3f}, where progressive user and item biases have {biases:.3f}"
    )
    return [Reason(name="rmse_biases", ok=True, text=text, value=error, limit=biases)]
