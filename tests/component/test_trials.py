"""The trial of a candidate in the cycle: begun, looked at, and ended in every way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from cron.cycle.cycle import run_cycle
from cron.cycle.retention import tidy
from cron.errors import Held
from cron.experiment_errors import NoTrial
from cron.ledger import (
    decision_rows,
    experiment_rows,
    holds,
    lease_row,
    release_rows,
    run_rows,
    schema,
    side_rows,
    switches,
    trial_rows,
)
from cron.ledger.experiment_rows import AnswerCounts
from cron.lineage import Lease, Run
from cron.services import Services
from cron.serving import release
from cron.serving.decisions import Decisions, Person
from cron.serving.reconcile import Reconciler
from cron.settings.tree import ReleaseSettings
from cron.trial import CandidateTrial, ShadowCounts
from recommender.records.events import Item, Record
from recommender.records.slates import Slate
from tests.component.at_work import until, working
from tests.contracts.records import event, slate
from tests.workshop import START, event_records, live_version, send, server_of

CANARY = ReleaseSettings(
    keep_registered=2, keep_releases=4, canary_share=0.5, trial_min_s=0.0, trial_max_s=3_600.0
)
CANDIDATE, LIVE = 2, 1


def with_release(services: Services, settings: ReleaseSettings) -> Services:
    return replace(services, settings=replace(services.settings, release=settings))


@pytest.fixture
def shop(services: Services) -> Services:
    """Return a shop with a release, and enough events for the next one."""
    send(services, event_records(401, 480))
    return with_release(services, CANARY)


def versions_of(services: Services) -> list[int]:
    return [one.version for one in services.server.versions()]


def begin(services: Services, lease: Lease) -> CandidateTrial:
    run = run_cycle(services, lease)
    assert (run.outcome, run.version) == (None, CANDIDATE)
    trial = trial_rows.running(services.ledger)
    assert trial is not None
    return trial


def visit(
    services: Services, trial: CandidateTrial, buyers: dict[str, int], *, num_users: int = 600
) -> None:
    """Serve users once in their arms; of ten of an arm, some buy.

    The purchases are of an item and a type that the training does not count.
    """
    records: list[Record | Slate] = []
    seen: dict[str, int] = {}
    at = trial.started_at + timedelta(seconds=1)
    for number in range(num_users):
        user = f"visitor-{number}"
        arm = trial.arm_of(user)
        served = replace(slate(number), user_id=user, arm=f"{trial.name}/{arm}", at=at)
        records.append(served)
        if seen.get(arm, 0) % 10 < buyers[arm]:
            records.append(
                replace(event(10_000 + number), user_id=user, type="purchase", item_id="i1", at=at)
            )
        seen[arm] = seen.get(arm, 0) + 1
    services.log.append(records)


def end_of(services: Services) -> tuple[str, str]:
    trial = trial_rows.find(services.ledger, CANDIDATE)
    assert trial is not None
    assert trial.end is not None
    return trial.end.verdict, trial.end.why


def live_version_of(services: Services) -> tuple[int | None, int | None]:
    """Return what is live for the ledger and for the server, which are not switched at once."""
    return switches.serving(services.ledger).live, services.server.live()


def text_of(run: Run, name: str) -> str:
    return next(reason.text for reason in run.reasons if reason.name == name)


def test_an_accepted_candidate_is_held_back(shop: Services, lease: Lease) -> None:
    trial = begin(shop, lease)
    assert (trial.live, trial.canary_share) == (LIVE, 0.5)
    assert live_version(shop) == LIVE
    assert CANDIDATE in versions_of(shop)
    tidy(shop, lease)
    assert CANDIDATE in versions_of(shop)
    assert trial_rows.answering(shop.ledger) == trial
    assert run_cycle(shop, lease).outcome is None  # nobody came


def test_a_worse_candidate_is_taken_back_alone(shop: Services, lease: Lease) -> None:
    trial = begin(shop, lease)
    visit(shop, trial, {"control": 7, "candidate": 2})
    run = run_cycle(shop, lease)
    assert (run.outcome, run.version) == ("refused", CANDIDATE)
    assert "a loss of more than 5%" in text_of(run, "canary")
    assert end_of(shop) == ("taken_back", text_of(run, "canary"))
    assert live_version(shop) == LIVE
    assert CANDIDATE not in versions_of(shop)
    assert (trial_rows.answering(shop.ledger), side_rows.every(shop.ledger)) == (None, ())


def test_a_better_candidate_is_promoted_alone(shop: Services, lease: Lease) -> None:
    trial = begin(shop, lease)
    visit(shop, trial, {"control": 2, "candidate": 7})
    run = run_cycle(shop, lease)
    assert run.outcome == "published"
    assert "not a loss of more than 5%" in text_of(run, "canary")
    assert "golden answers" in " ".join(reason.text for reason in run.reasons)
    assert end_of(shop)[0] == "promoted"
    assert live_version(shop) == CANDIDATE
    assert side_rows.every(shop.ledger) == ()


def test_a_good_candidate_waits_for_the_least_time(shop: Services, lease: Lease) -> None:
    patient = with_release(shop, replace(CANARY, trial_min_s=1_800.0))
    trial = begin(patient, lease)
    visit(patient, trial, {"control": 2, "candidate": 7})
    assert run_cycle(patient, lease).outcome is None
    assert run_cycle(shop, lease).outcome == "published"


def test_a_slow_candidate_is_taken_back(shop: Services, lease: Lease) -> None:
    trial = begin(shop, lease)
    visit(shop, trial, {"control": 3, "candidate": 3})
    fast = AnswerCounts(num_answers=500, seconds=10.0, seconds_2=0.25)
    slow = AnswerCounts(num_answers=500, seconds=20.0, seconds_2=1.0)
    answers = {(trial.name, "control"): fast, (trial.name, "candidate"): slow}
    experiment_rows.add_answers(shop.ledger, answers)
    assert "harm to latency" in text_of(run_cycle(shop, lease), "canary")


def test_too_few_visitors_leave_it_to_the_gate(shop: Services, lease: Lease) -> None:
    begin(shop, lease)
    hasty = with_release(shop, replace(CANARY, trial_max_s=1e-6))
    run = run_cycle(hasty, lease)
    assert run.outcome == "published"
    assert "promoted by the gate alone" in text_of(run, "canary")
    assert "0 of the 100 users that a comparison needs" in end_of(shop)[1]


def test_further_candidates_wait(shop: Services, lease: Lease) -> None:
    trial = begin(shop, lease)
    send(shop, event_records(481, 560))
    assert run_cycle(shop, lease, force_full=True).outcome is None
    assert run_rows.open_run(shop.ledger) is not None
    visit(shop, trial, {"control": 2, "candidate": 7})
    assert run_cycle(shop, lease).version == CANDIDATE
    assert run_cycle(shop, lease).version == CANDIDATE + 1


def pause(services: Services) -> None:
    holds.pause(services.ledger, "paused by a test")


def roll_back(services: Services) -> None:
    release.rollback(services.ledger, services.server, 0, by="a test")


def promote(services: Services) -> None:
    release.promote(services.ledger, services.server, 0)


@pytest.mark.parametrize(
    ("decide", "outcome", "live"),
    [(pause, "held", 1), (roll_back, "held", 0), (promote, "superseded", 0)],
)
def test_a_persons_decision_ends_it(
    shop: Services, lease: Lease, decide: Callable[[Services], None], outcome: str, live: int
) -> None:
    begin(shop, lease)
    decide(shop)
    assert trial_rows.answering(shop.ledger) is None  # for the gateways, at once
    assert run_cycle(shop, lease).outcome == outcome
    assert end_of(shop)[0] == "dropped"
    assert live_version(shop) == live
    assert CANDIDATE not in versions_of(shop)
    assert side_rows.every(shop.ledger) == ()


def person_of(services: Services) -> Decisions:
    return Decisions(services.ledger, lambda: services.server, lambda: services.artifacts)


def test_a_person_promotes_the_candidate(shop: Services, lease: Lease) -> None:
    begin(shop, lease)
    ann = Person(by="ann", why="seen enough")
    assert person_of(shop).end_trial("promote_trial", ann) == CANDIDATE
    assert trial_rows.answering(shop.ledger) is not None
    run = run_cycle(shop, lease)
    assert (run.outcome, text_of(run, "canary")) == ("published", "promoted by ann: seen enough")
    assert end_of(shop) == ("promoted", "promoted by ann: seen enough")
    assert live_version(shop) == CANDIDATE
    with pytest.raises(NoTrial, match="no candidate is on trial"):
        person_of(shop).end_trial("stop_trial", ann)


def test_a_person_stops_the_trial_whatever_was_asked_before(shop: Services, lease: Lease) -> None:
    """The candidate answers nobody at once, and the next one is trained as usual."""
    begin(shop, lease)
    person = person_of(shop)
    with pytest.raises(NoTrial, match="version 2 is on trial now, and not version 7"):
        person.end_trial("stop_trial", Person(by="ann"), seen=7)
    person.end_trial("promote_trial", Person(by="ann"))
    person.end_trial("stop_trial", Person(by="ben"), seen=CANDIDATE)
    assert trial_rows.answering(shop.ledger) is None
    assert run_cycle(shop, lease).outcome == "refused"
    assert end_of(shop) == ("taken_back", "taken back by ben")
    actions = [(one.action, one.version) for one in decision_rows.newest(shop.ledger, 9)]
    assert actions == [("stop_trial", CANDIDATE), ("promote_trial", CANDIDATE)]
    assert live_version(shop) == LIVE


def test_a_trial_is_not_promoted_while_publishing_is_paused(shop: Services, lease: Lease) -> None:
    begin(shop, lease)
    pause(shop)
    with pytest.raises(Held, match="paused by a test"):
        person_of(shop).end_trial("promote_trial", Person(by="ann"))
    assert decision_rows.newest(shop.ledger, 9) == ()
    assert run_cycle(shop, lease).outcome == "held"


def test_a_clock_that_was_set_back_does_not_put_off_the_end(shop: Services, lease: Lease) -> None:
    """It began when the clock was a day ahead."""
    trial = begin(shop, lease)
    with shop.ledger.write(lease) as connection:
        tomorrow = (trial.started_at + timedelta(days=1)).isoformat()
        connection.execute(schema.trials.update().values(started_at=tomorrow))
    assert run_cycle(shop, lease).outcome is None
    hasty = with_release(shop, replace(CANARY, trial_max_s=1e-6))
    assert run_cycle(hasty, lease).outcome == "published"


def test_a_restarted_server_gets_the_candidate_again(shop: Services, lease: Lease) -> None:
    begin(shop, lease)
    server_of(shop).restart_empty()
    reconciler = Reconciler(shop)
    for _ in range(3):
        reconciler.tick()
    assert versions_of(shop) == [0, LIVE, CANDIDATE]
    assert shop.server.live() == LIVE


def test_a_crash_before_the_trial_was_settled_is_repaired(shop: Services, lease: Lease) -> None:
    begin(shop, lease)
    run = run_rows.open_run(shop.ledger)
    assert run is not None
    run_rows.finish(shop.ledger, run.run_id, "abandoned", reasons=(), metrics={}, lease=lease)
    again = run_cycle(shop, lease)
    assert end_of(shop)[0] == "dropped"
    assert (again.version, again.outcome) == (CANDIDATE + 1, None)


def test_a_successor_without_the_files_promotes(shop: Services, lease: Lease) -> None:
    """Another host takes over, which has neither the run's folder nor its probes."""
    trial = begin(shop, lease)
    visit(shop, trial, {"control": 2, "candidate": 7})
    lease_row.release(shop.ledger, lease)
    successor = lease_row.acquire(shop.ledger, "another", 60, shop.ledger.now())
    assert successor is not None
    run = run_rows.open_run(shop.ledger)
    assert run is not None
    folder = shop.paths.runs / str(run.run_id)
    folder.rename(shop.paths.runs / "elsewhere")
    assert run_cycle(shop, successor).outcome == "published"
    assert live_version(shop) == CANDIDATE


def test_without_room_beside_it_goes_live_by_the_gate(shop: Services, lease: Lease) -> None:
    full = with_release(shop, replace(CANARY, max_side_versions=1))
    side_rows.add(full.ledger, 0, "an experiment", limit=1)
    run = run_cycle(full, lease)
    assert run.outcome == "published"
    assert "promoted by the gate alone" in text_of(run, "canary")
    assert [one.needed_by for one in side_rows.every(full.ledger)] == ["an experiment"]


def test_new_items_alone_need_no_trial(shop: Services, lease: Lease) -> None:
    strict = replace(shop.settings.worker, min_events=10_000)
    services = replace(shop, settings=replace(shop.settings, worker=strict))
    item = Item(event_id="item:new", item_id="new", title="A new thing", text="even", at=START)
    send(services, [item])
    run = run_cycle(services, lease)
    assert (run.mode, run.outcome) == ("items", "published")


def test_a_shadow_ends_with_its_agreement(shop: Services, lease: Lease) -> None:
    shadow = replace(CANARY, canary_share=0.0, shadow_share=0.2, trial_min_s=1_800.0)
    begin(with_release(shop, shadow), lease)
    counts = ShadowCounts(
        num_compared=10,
        num_dropped=2,
        overlap=8.0,
        rank_overlap=9.0,
        live_seconds=1.0,
        seconds=1.5,
    )
    for _ in range(2):
        trial_rows.add_shadow(shop.ledger, {CANDIDATE: counts})
    assert run_cycle(with_release(shop, shadow), lease).outcome is None
    run = run_cycle(with_release(shop, replace(shadow, trial_min_s=0.0)), lease)
    assert run.outcome == "published"
    assert text_of(run, "shadow") == (
        "shadow: 20 lists share 80% of their items with version 1's (rank-biased overlap 0.90), in"
        " 1.50 times its time; 4 were left out under load"
    )
    assert release_rows.is_release(shop.ledger, CANDIDATE)
    assert switches.serving(shop.ledger).live == CANDIDATE


def test_a_worker_ends_a_trial_by_itself(shop: Services, lease: Lease) -> None:
    """Nobody comes, so it is the time that ends it."""
    lease_row.release(shop.ledger, lease)
    worker = replace(shop.settings.worker, interval_s=0.2)
    hasty = replace(CANARY, trial_max_s=1.0)
    services = replace(shop, settings=replace(shop.settings, worker=worker, release=hasty))
    with working(services):
        until(lambda: live_version_of(shop) == (CANDIDATE, CANDIDATE))
        until(lambda: run_rows.open_run(shop.ledger) is None)
    assert end_of(shop)[0] == "promoted"
    assert live_version(shop) == CANDIDATE
