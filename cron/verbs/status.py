"""`status`: show what is live, how fresh and good it is, what waits and what runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cron.copy.live_writer import awaits_release
from cron.ledger import experiment_rows
from cron.ledger.full_request import FULL_REQUESTED
from cron.lineage import Run
from cron.metrics.copy_report import CopyReport, copy_json, copy_report
from cron.metrics.overview import Overview, RunProgress, look, panel_ndcg, to_json
from cron.services import Paths
from cron.serving.experiment_reports import ExperimentReport, report_on
from cron.settings.file import Loaded
from cron.settings.places import var_folder
from cron.urls.torchserve import parse as parse_nodes
from cron.verbs.experiment import experiment_json
from cron.verbs.table import age, clock, count, number, show_json, sparkline, table
from cron.wiring import open_ledger, open_log

SUMMARY = "show what is live, how fresh and good it is, what waits and what runs"
NUM_SHOWN = 8
SILENT_AFTER_S = 15.0  # most steps of a training take less, and the start after a loss takes more
_AFTER_STEP = {
    "plan": "making the snapshot",
    "snapshot": "starting the training",
    "train": "judging the candidate",
    "judge": "making the archive",
    "archive": "storing the archive",
    "put": "registering it",
    "register": "probing its answers",
    "probe": "going live",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Print the overview."""
    store = loaded.settings.store
    paths = Paths(var=var_folder(loaded.settings))
    ledger = open_ledger(store.ledger)
    overview = look(ledger, open_log(store.events), paths.runs, now=datetime.now(UTC))
    running = [report_on(ledger, one) for one in experiment_rows.running(ledger)]
    of_copy = loaded.settings.copy
    awaits = awaits_release(of_copy, ledger)
    copy = copy_report(ledger, of_copy, awaits_release=awaits)
    if arguments.json:
        experiments = [experiment_json(report) for report in running]
        show_json(to_json(overview) | {"experiments": experiments, "copy": copy_json(copy)})
    else:
        nodes = [node.address for node in parse_nodes(store.server)]
        budget = loaded.settings.worker.budget_per_day
        lines = _lines(overview, nodes, running, copy)
        print("\n".join([*lines[:1], *_spending(overview, budget), *lines[1:]]))
    return 0


def _lines(
    overview: Overview,
    nodes: list[str],
    running: Sequence[ExperimentReport],
    copy: CopyReport,
) -> list[str]:
    lines = [_live(overview)]
    if overview.hold:
        lines.append(
            f"held     {overview.hold.reason}, for {age(overview.at - overview.hold.since)}; "
            "to continue: python -m cron resume"
        )
    lines += [
        *_newest_decision(overview),
        *_nodes(overview, nodes),
        _waiting(overview),
        *_slates(overview),
        *_texts(copy),
        *_posterior(overview),
        _current(overview),
        *_full_request(overview),
        *_rentals(overview),
        *_trial(overview),
        *_experiments(running, overview.at),
        *_exploration(overview),
        *_updates(overview),
        *_quality(overview),
        "",
    ]
    return [*lines, _releases(overview)] if overview.releases else lines[:-1]


def _live(overview: Overview) -> str:
    live = overview.live
    if live is None:
        return (
            "live     nothing yet; the worker first publishes a baseline "
            "(to do it now: python -m cron run-once)"
        )
    manifest = live.manifest
    origin = manifest.mode if manifest.parent is None else f"{manifest.mode} of {manifest.parent}"
    published = age(overview.at - live.published_at)
    items = count(manifest.num_items, "item")
    return f"live     release {live.version} ({origin}), published {published} ago, {items}"


def _newest_decision(overview: Overview) -> list[str]:
    if not overview.decisions:
        return []
    newest = overview.decisions[0]
    what = newest.action if newest.version is None else f"{newest.action} to {newest.version}"
    why = f": {newest.why}" if newest.why is not None else ""
    return [f"decided  {what} by {newest.by}, {age(overview.at - newest.at)} ago{why}"]


def _nodes(overview: Overview, nodes: list[str]) -> list[str]:
    """Name the nodes of the model server that did not answer the worker last time."""
    away = [
        name
        for number, name in enumerate(nodes, start=1)
        if overview.metrics.get(f"node_{number}_away")
    ]
    if not away:
        return []
    names = ", ".join(away)
    return [f"away     {names} of {len(nodes)} TorchServe nodes; updated when it returns"]


def _waiting(overview: Overview) -> str:
    waiting = overview.waiting
    in_log = "the log does not answer"
    if waiting.in_log is not None:
        in_log = f"{count(waiting.in_log, 'record')} in the log"
    in_journal = f"{waiting.in_journal:,} in the journal that the live weights have not seen"
    newest = ""
    if waiting.newest_event_at:
        newest = f"; newest collected event {age(overview.at - waiting.newest_event_at)} old"
    return f"waiting  {in_log}, {in_journal}{newest}"


def _slates(overview: Overview) -> list[str]:
    slates = overview.slates
    if not slates.num_slates:
        return []
    share = slates.num_fallbacks / slates.num_slates
    served = count(slates.num_slates, "list")
    return [f"served   {served} in the last day, {share:.1%} of them popular items as a fallback"]


def _texts(copy: CopyReport) -> list[str]:
    """Describe texts about items, if any were shown or a writer is live."""
    if copy.writer is None and copy.hit_share is None:
        return []
    shown = f"{count(sum(copy.num_shown.values()), 'text')} in the last day"
    if copy.writer is None:
        return [f"texts    {shown}, by templates"]
    hits = "" if copy.hit_share is None else f", {copy.hit_share:.0%} of them ready"
    written, given_up = copy.of_day.num_written, copy.of_day.num_templates
    return [
        f"texts    {shown}{hits}; {written:,} written and {given_up:,} given up, "
        f"{count(copy.num_waiting, 'brief')} waiting; writer {copy.writer}, {copy.writing_line}"
    ]


def _posterior(overview: Overview) -> list[str]:
    """Describe what the policies that learn from rewards know, if there are any."""
    found = overview.posterior
    if found is None:
        return []
    read = f"{count(found.num_lists, 'list')} and {count(found.num_rewards, 'reward')}"
    newest = age(overview.at - found.at)
    return [f"learned  posterior {found.version}, {newest} old, from {read} in all"]


def _current(overview: Overview) -> str:
    if overview.current is None:
        return "run      none in progress"
    is_on_trial = any(report.trial.end is None for report in overview.trials)
    step = "on trial" if is_on_trial else step_of(overview.current)
    return describe_run(overview.current, overview.progress, at=overview.at, step=step)


def describe_run(run: Run, progress: RunProgress | None, *, at: datetime, step: str) -> str:
    """Return the line of a run in progress: its training, or else the step that it is at."""
    started = f"run      {run.run_id} ({run.mode}), {age(at - run.started_at)} so far"
    if progress is None:
        return f"{started}: {step}"
    share = f" {100 * progress.done / progress.total:.0f} %" if progress.total else ""
    loss = f", loss {progress.loss:.3f}" if progress.loss is not None else ""
    return f"{started}: {progress.phase}{share}{loss}{_pace(progress)}"


def step_of(run: Run) -> str:
    """Describe what follows the last step that a run has finished."""
    done = [what for step, what in _AFTER_STEP.items() if step in run.seconds]
    return done[-1] if done else "planning"


def _full_request(overview: Overview) -> list[str]:
    if not overview.metrics.get(FULL_REQUESTED):
        return []
    return ["asked    a full retrain, which begins at the next turn"]


def _rentals(overview: Overview) -> list[str]:
    """Describe machines that were rented and not stopped yet, without the options of their URLs."""
    lines = []
    for rental in overview.rentals:
        machines = count(rental.num_asked, "machine")
        since = age(overview.at - rental.started_at)
        price = f", {rental.cost(overview.at):.2f} so far" if rental.price else ""
        where = rental.machines.partition("?")[0]
        lines.append(f"rented   {machines} of {where} for run {rental.run_id}, {since}{price}")
    return lines


def _pace(progress: RunProgress) -> str:
    """Describe how fast a training is, where it runs, and that it was started again."""
    parts = []
    is_silent = progress.silent_s >= SILENT_AFTER_S
    if progress.events_s is not None and progress.left_s is not None and not is_silent:
        left = age(timedelta(seconds=progress.left_s))
        parts.append(f"{count(round(progress.events_s), 'event')}/s, {left} left")
    if progress.device is not None:
        is_counted = progress.ranks > 1 or progress.starts > 1  # one after more, or alone
        ranks = f"{count(progress.ranks, 'rank')} on " if is_counted else ""
        parts.append(f"{ranks}{progress.device}")
    if progress.starts > 1:
        parts.append(f"started again {count(progress.starts - 1, 'time')}")
    if is_silent:
        parts.append(f"no progress for {age(timedelta(seconds=progress.silent_s))}")
    return "".join(f", {part}" for part in parts)


def _spending(overview: Overview, budget: float | None) -> list[str]:
    """Show what the trainings of the last day took, if they have a price or a budget."""
    spent = overview.spent
    if budget is None and spent.cost == 0:
        return []
    hours = f"{spent.device_s / 3600:.2f} device hours of training in the last day"
    if budget is None:
        return [f"cost     {spent.cost:.2f} for {hours}"]
    waits = "; full retrains wait" if spent.cost >= budget else ""
    return [f"cost     {spent.cost:.2f} of {budget:.2f} for {hours}{waits}"]


def _trial(overview: Overview) -> list[str]:
    """Show the newest trial of a candidate: how it stands, or how it ended."""
    if not overview.trials:
        return []
    report = overview.trials[0]
    trial, end = report.trial, report.trial.end
    if end is not None:
        ended = f"{end.verdict.replace('_', ' ')}, {age(overview.at - end.at)} ago"
        return [f"trial    version {trial.version} {ended}: {end.why}"]
    shares = ((trial.canary_share, "users"), (trial.shadow_share, "lists in the background"))
    kinds = " and ".join(f"{share:.0%} of {what}" for share, what in shares if share > 0)
    parts = [f"{kinds}, {age(overview.at - trial.started_at)} so far"]
    if report.difference is not None and report.low is not None and report.high is not None:
        reward, low, high = report.difference, report.low, report.high
        parts.append(f"reward {_percent(reward)} (interval {_percent(low)} to {_percent(high)})")
    if report.shadow.mean_overlap is not None:
        parts.append(f"lists overlap by {report.shadow.mean_overlap:.0%}")
    return [f"trial    version {trial.version}, {'; '.join(parts)}"]


def _percent(share: float) -> str:
    return f"{share:+.1%}".replace("-", "−")


def _experiments(running: Sequence[ExperimentReport], now: datetime) -> list[str]:
    """Show how each running experiment stands."""
    lines = []
    for report in running:
        experiment, outcome = report.experiment, report.outcome
        state = "not measured yet"
        if outcome is not None:
            state = f"{outcome.state}: {outcome.reason}"
            if outcome.sample_ratio_p is not None:
                state += f"; sample ratio p = {outcome.sample_ratio_p:.3g}"
        since = age(now - experiment.started_at)
        lines.append(f"trying   {experiment.name}, {since} so far: {state}")
    return lines


def _exploration(overview: Overview) -> list[str]:
    """Show what exploring costs, by placement and policy."""
    lines = []
    for one in overview.exploration:
        price = one.price
        lists = "lists without a placement" if one.placement is None else f"'{one.placement}'"
        moved = "an unknown share" if price.moved_share is None else f"{price.moved_share:.1%}"
        cost = f"what it costs is unknown: {price.why_unknown}"
        if price.given_up is not None and price.low is not None and price.high is not None:
            cost = (
                f"gives up {price.given_up:.4g} ({price.low:.4g} to {price.high:.4g}) of "
                f"{price.earned + price.given_up:.4g} per list"
            )
            if price.assumes == "place":
                cost += ", if a reward depends on the item and its place alone"
        lines.append(f"explore  {one.policy} in {lists}: {moved} of the items; {cost}")
    return lines


def _updates(overview: Overview) -> list[str]:
    updates = count(len(overview.judged_updates), "update")
    if not overview.judged_updates:
        return []
    return [f"gate     {overview.num_accepted_updates} of the latest {updates} accepted"]


def _quality(overview: Overview) -> list[str]:
    """Show the quality of the live model and of popularity on events before training on them."""
    lines = []
    for model, label in (
        ("live", "quality  NDCG@10 of the live model on new events, before training on them"),
        ("popularity", "         popularity"),
    ):
        values = [
            quality.ndcg
            for quality in overview.quality
            if quality.kind == "fresh" and quality.model == model
        ]
        if values:
            lines.append(
                f"{label}  {sparkline(values)}  {number(values[0])} → {number(values[-1])}"
            )
    return lines


def _releases(overview: Overview) -> str:
    rows = []
    for release in overview.releases[:NUM_SHOWN]:
        manifest = release.manifest
        is_live = overview.live is not None and overview.live.version == release.version
        state = "live" if is_live else "rolled back" if release.rolled_back_at else ""
        ndcg = number(panel_ndcg(overview, release))
        rows.append(
            [
                str(release.version),
                manifest.mode,
                clock(release.published_at),
                ndcg,
                f"{manifest.num_items:,}",
                state,
            ]
        )
    return table(["release", "mode", "published (UTC)", "NDCG@10", "items", ""], rows)
