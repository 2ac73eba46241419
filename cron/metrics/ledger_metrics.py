"""Metrics for Prometheus from the ledger, the log and the histories, read at each scrape.

They cover freshness, verdicts, quality and what waits. The gateway and the worker both export them,
with the same names and values: when one of the two is down, the other still reports the age of the
live release. So take their maximum in a query, never their sum.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cron.errors import FreshetError
from cron.ledger import shown_pictures
from cron.ledger.forgotten import oldest_pending
from cron.ledger.ledger import Ledger
from cron.ledger.pruning import count_by_outcome
from cron.ledger.shown_pictures import PictureCounts
from cron.metrics.overview import Overview
from cron.metrics.snapshot_metrics import LEFT_OUT, LIMITS, MIXES, SHIFT

# numbered by place in store.server, so that the page does not show the nodes' hosts
_NODE = re.compile(r"node_(\d+)_away")
REFUSED_BY = "refused_by:"  # followed by the name of a test: how many candidates it refused
SANITY_ONLY = "gate_sanity_only"
OUTCOMES = ("published", "refused", "skipped", "failed", "superseded", "held", "abandoned")
# shown as 0 before their first refusal: for Prometheus, a counter that begins at 1 has not risen
TESTS = (
    "finite_weights",
    "ndcg_live",
    "ndcg_anchor",
    "ndcg_popularity",
    "rmse_live",
    "coverage",
    "sanity_ndcg",
    "sanity_rmse",
    "ndcg_older",
    "rmse_older",
    "golden_answers",
    "latency",
    "canary",
)
NUM_RELEASES = 8  # whose lists are counted; Prometheus keeps labels forever
LIST_TYPES = ("impression", "click", "purchase")  # of click-through and conversion rates
_COUNTERS = {
    "failed_switches": "Switches that the model server refused",
    "missing_archives": "Times that a release's archive was needed and missing",
    "lost_workers": "Times that the live version was reloaded after TorchServe gave up its workers",
    "job_errors": "Jobs of the worker that failed unexpectedly",
    "missed_turns": "Turns that were due too long ago to run",
    "overlapping_turns": "Turns that were due while another was running",
}
_GAUGES = {
    "nodes_away": "TorchServe nodes that did not answer the worker",
    "rollback_seconds": "Duration of the latest rollback",
    SANITY_ONLY: "1 when the newest verdict had too few panel events for the tolerance tests",
    "refusals_in_a_row": "Runs refused or failed since the last one that published",
}


class LedgerMetrics(Collector):
    """Reads at each scrape.

    When the ledger does not answer, `freshet_ledger_up` is 0 and the rest of the page is complete.
    """

    def __init__(
        self, ledger: Ledger, look: Callable[[], Overview], history_backlog: Callable[[], int]
    ) -> None:
        self._ledger = ledger
        self._look = look
        self._history_backlog = history_backlog

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering must not read the ledger."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Read everything once and yield it as metrics."""
        try:
            overview, runs = self._look(), count_by_outcome(self._ledger)
            asked_at, pictures = oldest_pending(self._ledger), shown_pictures.count(self._ledger)
        except FreshetError:
            yield gauge("freshet_ledger_up", "1 when the ledger answers", 0)
        else:
            yield gauge("freshet_ledger_up", "1 when the ledger answers", 1)
            yield from _live(overview)
            yield from _waiting(overview)
            yield from _verdicts(overview, runs)
            yield from _quality(overview)
            yield from _trial(overview)
            yield _list_events(overview)
            yield _pictures(pictures)
            yield from _spending(overview)
            yield from _ledger_metrics(overview.metrics)
            waited_s = (
                max(0.0, (overview.at - asked_at).total_seconds()) if asked_at is not None else 0.0
            )
            yield gauge(
                "freshet_erasure_waiting_seconds",
                "Longest that a forgotten user has waited to be erased; 0: nobody",
                waited_s,
            )
        try:
            yield gauge(
                "freshet_history_backlog",
                "Records in the log that the histories lack",
                self._history_backlog(),
            )
        except FreshetError:
            return  # the log or the histories do not answer, or the log was recreated


def gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    """Return a gauge without labels."""
    return GaugeMetricFamily(name, text, value=value)


def _live(overview: Overview) -> Iterable[Metric]:
    live, hold = overview.live, overview.hold
    yield gauge(
        "freshet_live_version",
        "Version of the live release; -1 before the first",
        live.version if live else -1,
    )
    if live:
        age_s = (overview.at - live.published_at).total_seconds()
        yield gauge(
            "freshet_release_age_seconds", "Time since the live release was first published", age_s
        )
    yield gauge("freshet_publishing_held", "1 while publishing is paused", 1 if hold else 0)
    held_s = (overview.at - hold.since).total_seconds() if hold else 0.0
    yield gauge(
        "freshet_publishing_held_seconds",
        "Time since publishing was paused; 0 while it is not",
        held_s,
    )


def _waiting(overview: Overview) -> Iterable[Metric]:
    if overview.waiting.in_log is not None:
        yield gauge(
            "freshet_log_backlog",
            "Records in the log that were not collected yet",
            overview.waiting.in_log,
        )
    yield gauge(
        "freshet_untrained_records",
        "Journal records that the live weights have not seen",
        overview.waiting.in_journal,
    )


def _verdicts(overview: Overview, runs: Mapping[str, int]) -> Iterable[Metric]:
    """Yield how runs ended, which tests refused candidates, and the newest run's step times."""
    ended = CounterMetricFamily(
        "freshet_runs", "Turns and runs by how they ended", labels=["outcome"]
    )
    for outcome in OUTCOMES:
        ended.add_metric([outcome], runs.get(outcome, 0))
    yield ended
    refusals = CounterMetricFamily(
        "freshet_refusals",
        "Candidates refused, by each test that they did not pass",
        labels=["reason"],
    )
    counted = {
        name.removeprefix(REFUSED_BY): value
        for name, value in overview.metrics.items()
        if name.startswith(REFUSED_BY)
    }
    for name, value in sorted((dict.fromkeys(TESTS, 0.0) | counted).items()):
        refusals.add_metric([name], value)
    yield refusals
    steps = GaugeMetricFamily(
        "freshet_newest_run_step_seconds",
        "Time that each step of the newest run took",
        labels=["step"],
    )
    newest = next((run for run in overview.runs if run.seconds), None)
    for step, seconds in newest.seconds.items() if newest else ():
        steps.add_metric([step], seconds)
    yield steps


def _quality(overview: Overview) -> Iterable[Metric]:
    newest = {(quality.kind, quality.model): quality for quality in overview.quality}
    ndcg = GaugeMetricFamily(
        "freshet_ndcg_at_10",
        "Newest NDCG@10, by the events scored and the model",
        labels=["kind", "model"],
    )
    rmse = GaugeMetricFamily(
        "freshet_rmse",
        "Newest rating error (RMSE), by the events scored and the model",
        labels=["kind", "model"],
    )
    for (kind, model), quality in newest.items():
        ndcg.add_metric([kind, model], quality.ndcg)
        if quality.rmse is not None:
            rmse.add_metric([kind, model], quality.rmse)
    yield ndcg
    yield rmse


def _trial(overview: Overview) -> Iterable[Metric]:
    """Yield what is known of the candidate on trial; only its age while there is none."""
    running = next((one for one in overview.trials if one.trial.end is None), None)
    age_s = 0.0 if running is None else (overview.at - running.trial.started_at).total_seconds()
    yield gauge(
        "freshet_trial_seconds", "Time that the candidate has been on trial; 0 without one", age_s
    )
    if running is None:
        return
    shadow = running.shadow
    for name, text, value in (
        ("canary_difference", "Its reward minus the control's, as a share", running.difference),
        ("shadow_overlap", "Share of items that its lists have in common", shadow.mean_overlap),
        ("shadow_latency_ratio", "Its time by the live release's", shadow.latency_ratio),
    ):
        if value is not None:
            yield gauge(f"freshet_{name}", text, value)


def _list_events(overview: Overview) -> Metric:
    """Return what the lists of the newest releases led to; older ones drop out of the page."""
    family = CounterMetricFamily(
        "freshet_list_events",
        "Events that name a list, by the release that made it",
        labels=["model_version", "type"],
    )
    for version in sorted(release.version for release in overview.releases)[-NUM_RELEASES:]:
        events = overview.list_events.get(version, {})
        for type_ in LIST_TYPES:
            family.add_metric([str(version), type_], events.get(type_, 0))
    return family


def _pictures(counts: PictureCounts) -> Metric:
    family = GaugeMetricFamily(
        "freshet_pictures", "Pictures of items, by what became of fetching them", labels=["state"]
    )
    for state in ("ready", "failed", "waiting"):
        family.add_metric([state], getattr(counts, state))
    return family


def _spending(overview: Overview) -> Iterable[Metric]:
    spent = overview.spent
    yield gauge(
        "freshet_rented_machines",
        "Machines that were asked for around trainings and not stopped yet",
        sum(rental.num_asked for rental in overview.rentals),
    )
    yield gauge(
        "freshet_training_device_seconds_of_day",
        "Seconds of all devices in the trainings of the last 24 hours",
        spent.device_s,
    )
    yield gauge(
        "freshet_training_cost_of_day", "What the trainings of the last 24 hours cost", spent.cost
    )


def _ledger_metrics(metrics: Mapping[str, float]) -> Iterable[Metric]:
    """Yield the counters and gauges stored in the ledger; unknown ones get a default text."""
    for name, text in _COUNTERS.items():
        yield CounterMetricFamily(f"freshet_{name}", text, value=metrics.get(name, 0.0))
    yield _gauge_with_label(
        "freshet_data_shift",
        "Distance of the newest run's events from those before them",
        "mix",
        SHIFT,
        MIXES,
        metrics,
    )
    yield _gauge_with_label(
        "freshet_left_out_events",
        "Events over a limit in the newest run, not trained on",
        "limit",
        LEFT_OUT,
        LIMITS,
        metrics,
    )
    nodes = GaugeMetricFamily(
        "freshet_node_away", "1 while the worker can't ask this TorchServe node", labels=["node"]
    )
    for name, value in sorted(metrics.items()):
        if place := _NODE.fullmatch(name):
            nodes.add_metric([place[1]], value)
        elif name not in _COUNTERS and ":" not in name:
            yield gauge(f"freshet_{name}", _GAUGES.get(name, "Stored in the ledger"), value)
    yield nodes


def _gauge_with_label(
    name: str,
    text: str,
    label: str,
    prefix: str,
    values: Iterable[str],
    metrics: Mapping[str, float],
) -> GaugeMetricFamily:
    """Return a gauge with one label.

    Each value is the metric named `prefix` + the label's value, 0 when it is not stored yet.
    """
    family = GaugeMetricFamily(name, text, labels=[label])
    for value in values:
        family.add_metric([value], metrics.get(f"{prefix}{value}", 0.0))
    return family
