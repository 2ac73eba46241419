"""`evaluate`: what a policy would have earned, from lists that another policy served.

It asks the gateway how probable the served lists are under the policy, so placements, histories and
the live release count as for a list.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from cron.errors import FreshetError
from cron.placement import read_age
from cron.placement_policy import PlacementPolicy, parse_policy, policy_json
from cron.settings.file import Loaded
from cron.settings.places import var_folder
from cron.settings.tree import Settings
from cron.verbs.gateway_calls import GatewayCalls, add_url_argument
from cron.verbs.table import show_json
from recommender.long_work import progress_bar, say_beside_bar
from recommender.requests.list_policy import learns_from_rewards
from recommender.requests.wire import BadRequest

if TYPE_CHECKING:  # imported late: they load numpy and pyarrow, and other verbs are quick
    from cron.evaluation.answered_slates import NotAnswered, RewardedSlate, TargetSlate
    from cron.ledger.ledger import Ledger
    from cron.verbs.evaluations.served import EvaluatedSlates, SlateChoice

SUMMARY = "estimate what a policy would earn, from lists that were served"

_SAMPLE = 5_000  # a minute or so of a gateway's time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--policy",
        metavar="POLICY",
        help="greedy, epsilon:epsilon=0.1, plackett_luce:temperature=0.5, or a placement's policy "
        "as JSON (default: that of the lists' placement)",
    )
    parser.add_argument("--placement", metavar="NAME", help="whose lists (default: all lists)")
    parser.add_argument(
        "--since", default="7d", metavar="AGE", help="how old the lists may be (default: 7d)"
    )
    parser.add_argument(
        "--logged-policy", metavar="NAME", help="only lists that this policy served (default: any)"
    )
    parser.add_argument(
        "--estimator",
        action="append",
        metavar="NAME",
        help="how to estimate; may be repeated (default: four that need no reward model)",
    )
    parser.add_argument(
        "--gamma",
        action="append",
        type=float,
        metavar="FACTOR",
        help="ignore the recorded propensities, and bound what an item would earn if the odds of "
        "each choice differ from their estimates by at most this factor; may be repeated",
    )
    parser.add_argument(
        "--sample",
        type=int,
        default=_SAMPLE,
        metavar="N",
        help=f"evaluate at most so many lists, drawn at random (default: {_SAMPLE:,})",
    )
    parser.add_argument("--seed", type=int, default=0, help="of that draw (default: 0)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_url_argument(parser)
    parser.set_defaults(refuse=parser.error)  # a usage message and exit status 2


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Choose the lists, ask for the policy's propensities, and print the report."""
    from cron.verbs.evaluations import report
    from cron.verbs.evaluations.findings import find
    from cron.verbs.evaluations.hidden_choices import bound_value
    from cron.wiring import open_ledger

    policy, estimators, factors = _policy(arguments), _estimators(arguments), _factors(arguments)
    ledger = open_ledger(loaded.settings.store.ledger)
    served = _read_slates(ledger, loaded.settings, _choice(arguments, ledger))
    asked = [one for one in served.slates if any(p is not None for p in one.propensities)]
    num = _num_alternatives(estimators, factors)
    targets, unanswered = _ask(arguments, loaded, asked, policy, num)
    if asked and not targets:
        raise FreshetError(_why_none(len(asked), policy, unanswered[0].reason))
    evaluated = report.Evaluated(
        policy=_policy_words(policy),
        lists=_lists_words(arguments),
        served=served,
        num_pinned=len(served.slates) - len(asked),
        unanswered=unanswered,
        findings=find(targets, estimators) if targets and not factors else None,
        bounded=bound_value(targets, factors) if targets and factors else None,
    )
    if arguments.json:
        show_json(report.as_json(evaluated))
    else:
        print(report.text(evaluated))
    return 0


def _why_none(num_asked: int, policy: PlacementPolicy | None, reason: str) -> str:
    """Return why no list has an answer, in words of this command."""
    if policy is not None and learns_from_rewards(policy.name) and "posterior" in reason:
        return (
            f"what {policy.name} would have earned with these {num_asked:,} lists is unknown: what "
            "it had learned when they were served is not kept, and what it knows now includes what "
            "they earned. Ask about greedy, epsilon or plackett_luce, or compare it in an "
            "experiment: python -m cron experiment start"
        )
    return f"the gateway gave no propensities for {num_asked:,} lists: {reason}"


def _read_slates(ledger: Ledger, settings: Settings, choice: SlateChoice) -> EvaluatedSlates:
    from cron.journal.journal import Journal
    from cron.services import Paths
    from cron.verbs.evaluations.served import served_slates
    from cron.wiring import open_artifacts

    folder = Paths(var=var_folder(settings)).journal
    journal = Journal(ledger, open_artifacts(settings.store.artifacts), folder)
    return served_slates(journal, choice, settings.reward)


def _ask(
    arguments: argparse.Namespace,
    loaded: Loaded,
    slates: Sequence[RewardedSlate],
    policy: PlacementPolicy | None,
    num_alternatives: int,
) -> tuple[list[TargetSlate], list[NotAnswered]]:
    from cron.evaluation.answered_slates import NotAnswered, TargetSlate
    from cron.verbs.evaluations.asking import ask_propensities

    targets, unanswered = list[TargetSlate](), list[NotAnswered]()
    gateway = loaded.settings.gateway
    with (
        progress_bar("evaluating", unit=" lists", total=len(slates)) as bar,
        GatewayCalls("/v1/propensities", arguments.url, gateway, say=say_beside_bar) as calls,
    ):
        for answers in ask_propensities(calls, slates, policy, alternatives=num_alternatives):
            targets += [one for one in answers if isinstance(one, TargetSlate)]
            unanswered += [one for one in answers if isinstance(one, NotAnswered)]
            bar.update(len(answers))
    return targets, unanswered


def _choice(arguments: argparse.Namespace, ledger: Ledger) -> SlateChoice:
    from cron.verbs.evaluations.served import SlateChoice

    if arguments.sample < 1:
        arguments.refuse("--sample must be at least 1")
    try:
        age_s = read_age(arguments.since, "--since")
    except BadRequest as error:
        arguments.refuse(str(error))
    return SlateChoice(
        since=ledger.now() - timedelta(seconds=age_s),
        placement=arguments.placement,
        policy=arguments.logged_policy,
        sample=arguments.sample,
        seed=arguments.seed,
        needs_propensities=not arguments.gamma,
    )


def _estimators(arguments: argparse.Namespace) -> Sequence[str]:
    from cron.verbs.evaluations.findings import ANSWERABLE, DEFAULT_ESTIMATORS

    wanted: Sequence[str] = arguments.estimator or DEFAULT_ESTIMATORS
    for name in wanted:
        if name not in ANSWERABLE:
            arguments.refuse(f"--estimator: found {name!r}, expected {', '.join(ANSWERABLE)}")
    return wanted


def _factors(arguments: argparse.Namespace) -> Sequence[float]:
    factors: Sequence[float] = arguments.gamma or ()
    if arguments.gamma and arguments.estimator:
        arguments.refuse("--gamma has an estimator of its own; leave --estimator out")
    for factor in factors:
        if not 1 <= factor < float("inf"):
            arguments.refuse(f"--gamma: found {factor:g}, expected a number of at least 1")
    return factors


def _num_alternatives(estimators: Sequence[str], factors: Sequence[float]) -> int:
    """Return how many alternatives to each item are asked for: none without a reward model."""
    from cron.evaluation.reward_model import ALTERNATIVES
    from cron.verbs.evaluations.findings import needs_model

    return ALTERNATIVES if factors or needs_model(estimators) else 0


def _policy(arguments: argparse.Namespace) -> PlacementPolicy | None:
    if arguments.policy is None:
        return None
    try:
        return parse_policy(_policy_object(arguments.policy), "--policy")
    except (BadRequest, ValueError) as error:
        arguments.refuse(str(error))
        raise  # it never comes here


def _policy_object(text: str) -> object:
    """Return `NAME:field=number,…` or JSON as an object; raise ValueError."""
    import json

    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except ValueError as error:
            raise BadRequest("--policy", found=repr(text), expected="a JSON object") from error
    name, _, rest = text.partition(":")
    values: dict[str, object] = {"name": name}
    for pair in rest.split(",") if rest else ():
        field, _, value = pair.partition("=")
        try:
            values[field.strip()] = float(value)
        except ValueError:
            raise BadRequest("--policy", found=repr(pair), expected="FIELD=NUMBER") from None
    return values


def _policy_words(policy: PlacementPolicy | None) -> str:
    if policy is None:
        return "the policy of the placement"
    values = dict(policy_json(policy))
    name = values.pop("name")
    more = ", ".join(_fields_words(values))
    return f"{name} ({more})" if more else str(name)


def _fields_words(values: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    for field, value in values.items():
        if isinstance(value, Mapping):
            yield from _fields_words(value, f"{prefix}{field}.")
        else:
            yield f"{prefix}{field} {value}"


def _lists_words(arguments: argparse.Namespace) -> str:
    where = "all lists" if arguments.placement is None else f"lists of {arguments.placement!r}"
    return f"{where} of the last {arguments.since}"
