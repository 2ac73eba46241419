"""`experiment`: start, show and stop experiments on visitors; plan how long one takes."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence

from cron.experiment import (
    ExperimentArm,
    ExperimentDraft,
    arm_json,
    draft_json,
    parse_arm,
    parse_draft,
)
from cron.experiments.power import Traffic, plan
from cron.ledger import experiment_rows
from cron.ledger.ledger import Ledger
from cron.serving.experiment_reports import ExperimentReport, report_on, start_experiment
from cron.settings.file import Loaded
from cron.verbs.actions import add_action
from cron.verbs.person import person_name
from cron.verbs.reasons import add_reason
from cron.verbs.table import age, clock, count, number, show_json, table
from cron.wiring import open_ledger
from recommender.requests.wire import BadRequest

SUMMARY = "start, follow and stop experiments on visitors; plan how many they need"

_HEADER = ("arm", "share", "users", "reward", "explored", "answers", "errors", "mean ms", "lists")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    starting = add_action(actions, "start", "divide visitors among arms from now on")
    starting.add_argument("name", metavar="NAME", help="never given again")
    starting.add_argument(
        "--arm",
        action="append",
        required=True,
        metavar="ARM",
        help="NAME, NAME=PLACEMENT, NAME=release:VERSION or NAME='{\"diversity\": 0.3}'; the first "
        "is the control",
    )
    starting.add_argument(
        "--kind",
        choices=("ab", "interleaving"),
        default="ab",
        help="divide users among arms, or interleave the lists of two (default: ab)",
    )
    starting.add_argument("--placement", metavar="NAME", help="whose lists; default: all lists")
    starting.add_argument("--share", type=float, default=1.0, help="of the users (default: 1)")
    starting.add_argument("--layer", default="default", help="experiments of one share no users")
    starting.add_argument(
        "--ramp-days", type=float, default=0.0, metavar="DAYS", help="until the share is whole"
    )
    starting.add_argument(
        "--effect", type=float, default=0.05, help="relative effect worth finding (default: 0.05)"
    )
    starting.add_argument(
        "--reward",
        action="append",
        default=[],
        metavar="TYPE=WEIGHT",
        help="what an event counts; default: the setting reward.weights",
    )
    starting.set_defaults(refuse=starting.error)  # a usage message and exit status 2
    showing = add_action(actions, "status", "show experiments and what they say so far")
    showing.add_argument("shown_name", nargs="?", metavar="NAME", help="default: all")
    showing.add_argument("--json", action="store_true", help="print JSON")
    stopping = add_action(actions, "stop", "stop an experiment; its lists are as before it")
    stopping.add_argument("stopped_name", metavar="NAME", help="an experiment's name")
    add_reason(stopping, shown_by="`experiment status`")
    _add_plan_arguments(add_action(actions, "plan", "compute what finding an effect needs"))


def _add_plan_arguments(planning: argparse.ArgumentParser) -> None:
    planning.add_argument(
        "--users-per-day", type=float, required=True, metavar="N", help="new users a day"
    )
    planning.add_argument("--mean", type=float, required=True, help="mean reward of a user")
    planning.add_argument("--sd", type=float, required=True, help="its standard deviation")
    planning.add_argument(
        "--effect", type=float, default=0.05, help="relative effect to find (default: 0.05)"
    )
    planning.set_defaults(refuse=planning.error)


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Start, show, stop or plan."""
    if arguments.action == "plan":
        return _plan(arguments)
    ledger = open_ledger(loaded.settings.store.ledger)
    if arguments.action == "start":
        return _start(arguments, loaded, ledger)
    if arguments.action == "stop":
        why = arguments.reason or "stopped by a person"
        experiment_rows.stop(ledger, arguments.stopped_name, by=person_name(), why=why, winner=None)
        print(f"the experiment {arguments.stopped_name!r} is stopped; its lists are as before it")
        return 0
    return _show(arguments, ledger)


def _start(arguments: argparse.Namespace, loaded: Loaded, ledger: Ledger) -> int:
    try:
        draft = _draft(arguments)
        experiment = start_experiment(
            ledger, loaded.settings, arguments.name, draft, by=person_name()
        )
    except BadRequest as error:
        arguments.refuse(str(error))
    lists = "all lists" if draft.placement is None else f"lists of {draft.placement!r}"
    arms = ", ".join(f"{arm.name} ({arm.share:.0%})" for arm in draft.arms)
    if draft.kind == "interleaving":
        arms = "the lists of " + " and ".join(arm.name for arm in draft.arms) + " are interleaved"
    print(f"the experiment {experiment.name!r} is running on {lists} with {draft.share:.0%} of")
    print(f"the users: {arms}. Gateways follow within a second; see what it says with:")
    print(f"python -m cron experiment status {experiment.name}")
    return 0


def _draft(arguments: argparse.Namespace) -> ExperimentDraft:
    weights: dict[str, object] = {}
    for text in arguments.reward:
        type_, _, weight = text.partition("=")
        try:
            weights[type_] = float(weight)
        except ValueError:
            raise BadRequest("reward", found=repr(text), expected="TYPE=WEIGHT") from None
    return parse_draft(
        {
            "kind": arguments.kind,
            "placement": arguments.placement,
            "layer": arguments.layer,
            "share": arguments.share,
            "ramp_days": arguments.ramp_days,
            "effect": arguments.effect,
            "reward": weights,
            "arms": [parse_arm(text) for text in arguments.arm],
        }
    )


def _show(arguments: argparse.Namespace, ledger: Ledger) -> int:
    found = experiment_rows.every(ledger)
    if arguments.shown_name is not None:
        found = (experiment_rows.one(ledger, arguments.shown_name),)
    reports = [report_on(ledger, experiment) for experiment in found]
    if arguments.json:
        show_json([experiment_json(report) for report in reports])
    elif not reports:
        print("no experiment yet; start one with: python -m cron experiment start NAME --arm …")
    else:
        print("\n\n".join(_text(report, ledger) for report in reports))
    return 0


def _text(report: ExperimentReport, ledger: Ledger) -> str:
    experiment, end = report.experiment, report.experiment.end
    since = age((end.at if end else ledger.now()) - experiment.started_at)
    state = f"running for {since}" if end is None else f"ended after {since} by {end.by}: {end.why}"
    lines = [f"{experiment.name}: {state}"]
    if end is not None and end.winner is not None:
        lines.append(f"winner: {end.winner}")
    lines += [table(_HEADER, _rows(report)), *_comparisons(report)]
    measured = "not measured yet; the worker does it at its next turn"
    if report.measured_at is not None:
        measured = f"measured {clock(report.measured_at)} UTC"
    per = "list" if experiment.draft.kind == "interleaving" else "user and day"
    lines.append(f"{measured}; rewards are per {per}, intervals hold at all times")
    return "\n".join(lines)


def _rows(report: ExperimentReport) -> list[list[str]]:
    is_interleaved = report.experiment.draft.kind == "interleaving"
    return [
        [
            arm.name,
            "–" if is_interleaved else f"{arm.share:.0%}",
            f"{arm.num_users:,}",
            number(arm.reward, digits=4),
            "–" if arm.explored is None else f"{arm.explored:,.0f}",
            f"{arm.num_answers:,}",
            f"{arm.num_errors:,}",
            number(arm.mean_ms, digits=1),
            _lists_of(drafted),
        ]
        for drafted, arm in zip(report.experiment.draft.arms, report.arms, strict=True)
    ]


def _lists_of(arm: ExperimentArm) -> str:
    """Return what the lists of an arm are."""
    if arm.placement is not None:
        return f"of {arm.placement}{_maker(arm)}"
    if arm.release is not None and not arm.rules:
        return _maker(arm).strip()
    if arm.release is not None:
        return f"{json.dumps(dict(arm.rules), ensure_ascii=False)}{_maker(arm)}"
    return json.dumps(dict(arm.rules), ensure_ascii=False) if arm.rules else "as they are"


def _maker(arm: ExperimentArm) -> str:
    return "" if arm.release is None else f" by release {arm.release}"


def _comparisons(report: ExperimentReport) -> Sequence[str]:
    outcome = report.outcome
    if outcome is None:
        return ()
    lines = [
        f"{one.arm} − {report.arms[0].name}: {_with_sign(one.estimate.value)} "
        f"({_with_sign(one.interval.low)} to {_with_sign(one.interval.high)}), {one.finding}"
        for one in outcome.comparisons
    ]
    for one in outcome.comparisons:
        harmed = [check.name for check in one.guardrails if check.is_harmed]
        lines += [f"{one.arm} harms: {', '.join(harmed)}"] if harmed else []
    if outcome.sample_ratio_p is not None:
        lines.append(f"sample ratio: p = {outcome.sample_ratio_p:.3g}")
    return [*lines, f"{outcome.state}: {outcome.reason}"]


def _with_sign(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def experiment_json(report: ExperimentReport) -> dict[str, object]:
    """Render an experiment and what it says as JSON values."""
    experiment, outcome = report.experiment, report.outcome
    end, measured_at = experiment.end, report.measured_at
    comparisons = () if outcome is None else outcome.comparisons
    return {
        "name": experiment.name,
        "kind": experiment.draft.kind,
        **draft_json(experiment.draft),
        "started_at": experiment.started_at.isoformat(),
        "started_by": experiment.started_by,
        "ended_at": None if end is None else end.at.isoformat(),
        "ended_by": None if end is None else end.by,
        "why": None if end is None else end.why,
        "winner": None if end is None else end.winner,
        "measured_at": None if measured_at is None else measured_at.isoformat(),
        "state": None if outcome is None else outcome.state,
        "reason": None if outcome is None else outcome.reason,
        "sample_ratio_p": None if outcome is None else outcome.sample_ratio_p,
        "arms": [
            {
                **arm_json(drafted),
                "users": arm.num_users,
                "reward": arm.reward,
                "explored": arm.explored,
                "answers": arm.num_answers,
                "errors": arm.num_errors,
                "mean_ms": arm.mean_ms,
            }
            for drafted, arm in zip(experiment.draft.arms, report.arms, strict=True)
        ],
        "comparisons": [
            {
                "arm": one.arm,
                "difference": one.estimate.value,
                "low": _finite(one.interval.low),
                "high": _finite(one.interval.high),
                "p_value": one.p_value,
                "finding": one.finding,
                "harmed": [check.name for check in one.guardrails if check.is_harmed],
            }
            for one in comparisons
        ],
    }


def _plan(arguments: argparse.Namespace) -> int:
    if min(arguments.users_per_day, arguments.mean, arguments.sd, arguments.effect) <= 0:
        arguments.refuse("--users-per-day, --mean, --sd and --effect must be positive")
    traffic = Traffic(users_per_day=arguments.users_per_day, variance=arguments.sd**2)
    found = plan(traffic, effect=arguments.effect * arguments.mean)
    needed = "more than two years"
    if found.users is not None and found.days is not None:
        needed = f"{count(found.users, 'user')} in {count(found.days, 'day')}"
    print(f"an effect of {arguments.effect:.1%} is found in 4 of 5 experiments within: {needed}")
    if found.median_days is not None:
        print(f"half of them end within {count(found.median_days, 'day')}")
    print(f"a test with one look at its end would need {count(found.fixed_users, 'user')}")
    return 0


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
