"""Which arm a list is for, and by which rules."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cron.errors import Unavailable
from cron.experiment import Experiment, parse_draft
from cron.placement import Placement
from gateway.experiments.running import ArmOfList, InterleavedArms, RunningExperiments

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ARMS = [{"name": "a"}, {"name": "b", "rules": {"diversity": 0.3}}, {"name": "c", "placement": "x"}]


def experiment(name: str, *, begin: float = 0.0, **fields: object) -> Experiment:
    return Experiment(
        name=name,
        draft=parse_draft({"arms": ARMS, **fields}),
        begin=begin,
        started_at=NOW,
        started_by="ann",
        after_seq=0,
    )


def running(*found: Experiment) -> RunningExperiments:
    experiments = RunningExperiments(lambda: found)
    experiments.refresh()
    return experiments


def arm(experiments: RunningExperiments, name: str, placement: str | None = None) -> ArmOfList:
    """Return what the first user of an arm finds."""
    for number in range(1_000):
        found = experiments.find(f"user-{number}", placement, NOW)
        if isinstance(found, ArmOfList) and found.arm.name == name:
            return found
    raise AssertionError(name)


def test_a_visitor_without_an_id_is_in_no_experiment() -> None:
    assert running(experiment("try")).find(None, None, NOW) is None


def test_a_user_sees_both_arms_of_interleaved_lists() -> None:
    found = running(experiment("try", kind="interleaving", arms=ARMS[:2])).find("ann", None, NOW)
    assert isinstance(found, InterleavedArms)
    assert (found.first.arm.name, found.second.arm.name) == ("a", "b")


def test_an_experiment_applies_to_its_placement_alone() -> None:
    experiments = running(experiment("try", placement="home"))
    assert experiments.find("ann", "home", NOW) is not None
    assert experiments.find("ann", "cart", NOW) is None
    assert experiments.find("ann", None, NOW) is None
    assert running(experiment("try")).find("ann", "cart", NOW) is not None


def test_a_user_is_in_one_experiment_of_a_layer() -> None:
    experiments = running(experiment("one", share=0.5), experiment("two", share=0.5, begin=0.5))
    found = [experiments.find(f"user-{number}", None, NOW) for number in range(200)]
    names = [one.experiment for one in found if isinstance(one, ArmOfList)]
    assert len(names) == 200
    assert {"one", "two"} == set(names)


def test_arms_change_the_rules_of_the_placement() -> None:
    experiments = running(experiment("try", placement="home"))
    home, other = Placement(k=3), Placement(k=9)

    def rules(name: str) -> Placement | None:
        found = arm(experiments, name, "home")
        return experiments.placement_in(found, home, {"home": home, "x": other})

    assert rules("a") is home
    assert rules("b") == Placement(k=3, diversity=0.3)
    assert rules("c") is other


def test_an_arm_follows_changes_of_its_placement() -> None:
    experiments = running(experiment("try", placement="home"))
    found = arm(experiments, "b", "home")
    for k in (3, 4):
        placed = experiments.placement_in(found, Placement(k=k), {})
        assert placed == Placement(k=k, diversity=0.3)


def test_a_deleted_placement_of_an_arm_is_that_of_the_list() -> None:
    experiments = running(experiment("try", placement="home"))
    home = Placement(k=3)
    assert experiments.placement_in(arm(experiments, "c", "home"), home, {}) is home


def test_experiments_go_on_while_the_ledger_is_away() -> None:
    answers = [(experiment("try"),)]

    def read() -> tuple[Experiment, ...]:
        if not answers:
            raise Unavailable("the ledger", where="here", why="off")
        return answers.pop()

    experiments = RunningExperiments(read)
    experiments.refresh()
    with pytest.raises(Unavailable):
        experiments.refresh()
    assert experiments.find("ann", None, NOW) is not None


def test_an_arm_without_its_placement_is_noticed() -> None:
    """Its lists are those of the control, so its numbers would be a lie."""
    experiments = running(experiment("try"))
    assert arm(experiments, "c").lacks_placement({"home": Placement()})
    assert not arm(experiments, "c").lacks_placement({"x": Placement()})
    assert not arm(experiments, "a").lacks_placement({})
