"""The ledger's experiments, on each database."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cron.experiment import Experiment, parse_draft
from cron.experiment_errors import (
    ExperimentEnded,
    ExperimentNameInUse,
    ExperimentNotReadable,
    LayerFull,
    PlacementInExperiment,
    TooManyExperiments,
    UnknownExperiment,
)
from cron.experiments.outcome import ArmSums
from cron.experiments.user_sums import UserTotals, sum_users
from cron.ledger import experiment_rows, schema
from cron.ledger.experiment_rows import AnswerCounts, MeasuredArms
from cron.ledger.ledger import Ledger, open_ledger
from tests.contracts.ledgers import EMBEDDED, ON_SERVERS

__all__ = ["EMBEDDED", "ON_SERVERS"]  # read by the suite's fixtures

ARMS = [{"name": "a"}, {"name": "b", "rules": {"diversity": 0.3, "filter": {"genre": "日本"}}}]


def start(ledger: Ledger, name: str, **fields: object) -> Experiment:
    asked = parse_draft({"placement": "home", "share": 0.4, "arms": ARMS, **fields})
    return experiment_rows.start(ledger, name, asked, by="ann 日本")


def test_an_experiment_comes_back_as_it_was_started(ledger: Ledger, url: str) -> None:
    started = start(ledger, "try", ramp_days=2, effect=0.1, reward={"purchase": 2.5})
    again = open_ledger(url)
    assert experiment_rows.running(again) == (started,)
    assert experiment_rows.one(again, "try") == started
    again.close()


def test_a_stopped_experiment_says_who_stopped_it_and_why(ledger: Ledger) -> None:
    start(ledger, "try")
    stopped = experiment_rows.stop(ledger, "try", by="bob", why="b is better", winner="b")
    assert stopped.end is not None
    assert (stopped.end.by, stopped.end.why, stopped.end.winner) == ("bob", "b is better", "b")
    assert experiment_rows.running(ledger) == ()
    assert experiment_rows.every(ledger) == (stopped,)
    with pytest.raises(ExperimentEnded, match="by bob"):
        experiment_rows.stop(ledger, "try", by="ann", why="again", winner=None)


def test_an_experiment_of_a_newer_version_stops_nothing(ledger: Ledger) -> None:
    """A worker that was set back would otherwise never train again, and gateways see no stop."""
    start(ledger, "newer")
    known = start(ledger, "known")
    table = schema.experiments
    newer = table.update().where(table.c.name == "newer")
    with ledger.write() as connection:
        connection.execute(newer.values(draft='{"arms": [], "rule of tomorrow": 1}'))
    assert experiment_rows.running(ledger) == (known,)
    assert experiment_rows.every(ledger) == (known,)
    experiment_rows.stop(ledger, "known", by="ann", why="enough", winner=None)
    assert experiment_rows.running(ledger) == ()
    with pytest.raises(ExperimentNotReadable, match="'newer' in the ledger can't be read"):
        start(ledger, "next")


def test_experiments_of_a_layer_have_different_users(ledger: Ledger) -> None:
    first, second = start(ledger, "one"), start(ledger, "two")
    assert first.layer_range.end <= second.layer_range.begin
    with pytest.raises(LayerFull, match="take 80% of the users"):
        start(ledger, "three")
    experiment_rows.stop(ledger, "one", by="ann", why="enough", winner=None)
    assert start(ledger, "three").begin == first.begin


def test_a_list_is_in_experiments_of_one_layer_alone(ledger: Ledger) -> None:
    start(ledger, "one", layer="shelves")
    with pytest.raises(PlacementInExperiment, match="'one' of the layer 'shelves'"):
        start(ledger, "two")
    with pytest.raises(PlacementInExperiment, match="running on all lists"):
        start(ledger, "all", placement=None)
    assert start(ledger, "cart", placement="cart").is_running


def test_a_name_is_given_once(ledger: Ledger) -> None:
    start(ledger, "try")
    experiment_rows.stop(ledger, "try", by="ann", why="enough", winner=None)
    with pytest.raises(ExperimentNameInUse, match="'try'"):
        start(ledger, "try")


def test_an_unknown_experiment_is_refused_with_the_known(ledger: Ledger) -> None:
    start(ledger, "try")
    with pytest.raises(UnknownExperiment, match="'tri'; existing experiments: try"):
        experiment_rows.stop(ledger, "tri", by="ann", why="", winner=None)
    with pytest.raises(UnknownExperiment):
        experiment_rows.one(ledger, "tri")


def test_a_program_cannot_start_experiments_without_end(ledger: Ledger) -> None:
    for number in range(experiment_rows.MAX_RUNNING):
        start(ledger, f"try-{number}", share=0.01)
    with pytest.raises(TooManyExperiments):
        start(ledger, "one-more", share=0.01)


def test_what_was_measured_comes_back(ledger: Ledger) -> None:
    start(ledger, "try")
    assert experiment_rows.measured_arms(ledger, "try") is None
    sums = sum_users([UserTotals(reward=1.5, exposure=2), UserTotals(reward=0, before=0.25)])
    arms = (
        ArmSums(name="a", share=0.5, reward=sums, guardrails={"fallbacks": sums}),
        ArmSums(name="b", share=0.5, reward=sums),
    )
    at = datetime(2026, 3, 1, tzinfo=UTC)
    measured = MeasuredArms(at=at, arms=arms, explored={"a": 12.5, "b": 3.0})
    experiment_rows.store_measured(ledger, "try", measured)
    assert experiment_rows.measured_arms(ledger, "try") == measured


def test_the_answers_of_several_gateways_are_added(ledger: Ledger) -> None:
    first = AnswerCounts(num_answers=3, num_errors=1, seconds=0.5, seconds_2=0.25)
    experiment_rows.add_answers(ledger, {("try", "a"): first, ("try", "b"): first})
    experiment_rows.add_answers(ledger, {("try", "a"): first})
    twice = AnswerCounts(num_answers=6, num_errors=2, seconds=1.0, seconds_2=0.5)
    assert experiment_rows.answers(ledger, "try") == {"a": twice, "b": first}
    assert experiment_rows.answers(ledger, "other") == {}
