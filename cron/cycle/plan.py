"""Whether the next turn trains, and whether as an update or a full retrain. Pure.

It decides from what waits, what is live, and recent runs.
`cron.cycle.cycle` carries the turn out; `cron.worker.worker` decides when a turn comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cron.cycle.staleness import RetrainCost, Staleness, is_worth
from cron.lineage import Hold, Manifest, Reason
from cron.settings.worker_settings import WorkerSettings
from trainer.config import Mode

_FIRST = "first_training"
# full retrains in whose place an update may go
_BY_TIME = ("full_is_due", "full_is_cheap", "full_is_worth")
LATEST_PERIODS = 7  # of full_every_s; the estimate rests on retrains, and must not end them
MAX_BACKOFF = timedelta(hours=1)  # somebody who repaired the data should not wait longer


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanState:
    """The state on which the choice depends.

    `num_new_*` count journal records after the live release's ranges, without excluded ones, and
    items whose pictures came since, if pictures are encoded.
    `settings_changed`: the live release was made with another encoder or model than the settings
    ask for now. `format_changed`: it was made by a version of this program whose bundles this one
    cannot continue from. `last_full_s` is how long the last full retrain's training took, and
    `spent_day` what the trainings of the last 24 hours cost. `staleness` is None where full
    retrains come by the clock, and before what they give was measured.

    Since the last run that published: `num_refusals` counts the runs whose end says something about
    the model or its data (refused by the gate, or by the trainer itself); `num_unpublished` also
    counts those that failed for a fault of the machinery; `last_ended_at` is the end of the latest.

    Times after `now` were recorded before the clock was set back. How long ago that was is not
    known, and nothing waits for them.
    """

    now: datetime
    live: Manifest | None
    hold: Hold | None
    num_new_events: int
    num_new_items: int
    num_refusals: int
    num_unpublished: int
    last_ended_at: datetime | None
    last_full_at: datetime | None
    last_full_s: float | None = None
    settings_changed: bool = False
    format_changed: bool = False
    num_new_pictures: int = 0
    force_full: bool = False
    staleness: Staleness | None = None
    last_full_cost: RetrainCost | None = None
    spent_day: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Run a cycle in this mode."""

    mode: Mode
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Do nothing this time."""

    reason: Reason


def decide(state: PlanState, settings: WorkerSettings) -> Turn | Skip:
    """Choose the next turn."""
    if state.hold is not None:
        return _skip("held", f"publishing is paused: {state.hold.reason}")
    if state.live is None:
        if state.num_new_events + state.num_new_items == 0:
            return _skip("nothing_collected", "nothing was collected yet: no events and no items")
        text = "nothing is live yet: a baseline goes first"
        return _baseline(state, settings, name="nothing_live", text=text)
    if state.force_full:
        return _turn("full", "asked_for", "a full retrain was asked for")
    if (wait := _backoff(state, settings)) is not None:
        return wait
    if state.live.mode == "baseline":
        first = _after_baseline(state, settings)
        too_dear = _over_budget(state, settings)
        return _skip("budget", too_dear) if first.reason.name == _FIRST and too_dear else first
    needed = _needed_full(state, settings)
    if needed is None:
        return _by_what_waits(state, settings)
    too_dear = _over_budget(state, settings)
    return _without_full(needed, too_dear, state, settings) if too_dear else needed


def backoff(num_unpublished: int, settings: WorkerSettings) -> timedelta:
    """Return how long to wait after this many runs that did not publish.

    The time doubles with each run, up to an hour.
    """
    if num_unpublished == 0:
        return timedelta(0)
    return min(
        MAX_BACKOFF,
        timedelta(seconds=settings.refusal_backoff_s) * (1 << min(num_unpublished - 1, 20)),
    )


def _over_budget(state: PlanState, settings: WorkerSettings) -> str | None:
    """Return why full retrains wait for the budget; None when they need not."""
    budget = settings.budget_per_day
    if budget is None or state.spent_day < budget:
        return None
    return (
        f"a full retrain waits for the budget: the trainings of the last 24 hours cost "
        f"{state.spent_day:.2f} of {budget:.2f}"
    )


def _without_full(
    needed: Turn, why: str, state: PlanState, settings: WorkerSettings
) -> Turn | Skip:
    """Choose the turn while a full retrain waits: an update, unless none would help."""
    instead = _by_what_waits(state, settings) if needed.reason.name in _BY_TIME else None
    if not isinstance(instead, Turn):
        return _skip("budget", why)
    return _turn(instead.mode, instead.reason.name, f"{instead.reason.text}; {why}")


def _after_baseline(state: PlanState, settings: WorkerSettings) -> Turn | Skip:
    """Choose the turn while only a baseline is live."""
    if state.num_new_events >= settings.min_events:
        text = (
            f"{state.num_new_events:,} events wait and only a baseline is live: the first training"
        )
        return _turn("full", _FIRST, text)
    if state.num_new_items + state.num_new_pictures:
        text = _new_items(state)
        return _baseline(state, settings, name="new_items", text=text)
    return _too_few_events(state, settings)


def _needed_full(state: PlanState, settings: WorkerSettings) -> Turn | None:
    """Return a full retrain if there is a reason for one."""
    if state.format_changed:
        text = "the live release is of another version of this program: a full retrain"
        return _turn("full", "format_changed", text)
    if state.settings_changed:
        text = "the settings ask for another encoder or model: a full retrain"
        return _turn("full", "settings_changed", text)
    if state.num_refusals >= settings.max_refusals:
        text = f"{state.num_refusals} runs were refused since the last release: a full retrain"
        return _turn("full", "refusals", text)
    if state.staleness is not None and state.last_full_cost is not None:
        return _worthy_full(state, state.staleness, state.last_full_cost, settings)
    if _is_full_due(state, settings) and state.num_new_events > 0:
        hours = settings.full_every_s / 3600
        text = f"the last full retrain is more than {hours:.0f} hours ago"
        return _turn("full", "full_is_due", text)
    share = _share_of_full(state)
    is_enough = state.num_new_events >= settings.min_events
    if is_enough and share is not None and share <= settings.full_share:
        text = (
            f"a full retrain takes {share:.0%} of the time since the last, "
            f"at most {settings.full_share:.0%}"
        )
        return _turn("full", "full_is_cheap", text)
    return None


def _worthy_full(
    state: PlanState, staleness: Staleness, cost: RetrainCost, settings: WorkerSettings
) -> Turn | None:
    """Return a full retrain if it is worth its cost, or if the last one is very old."""
    if state.num_new_events < settings.min_events:
        return None
    if is_worth(staleness, cost=cost.value, worth=settings.full_worth):
        return _turn("full", "full_is_worth", _worth_text(staleness, cost, settings))
    if _is_full_due(state, settings, periods=LATEST_PERIODS):
        text = f"the last full retrain is more than {LATEST_PERIODS} times full_every_s ago"
        return _turn("full", "full_is_due", f"{text}: what one gives is measured again")
    return None


def _worth_text(staleness: Staleness, cost: RetrainCost, settings: WorkerSettings) -> str:
    lost = staleness.loss * settings.full_worth
    relation = "is worth" if lost >= cost.value else "is not worth"
    return (
        f"a full retrain {relation} its cost: lists are an estimated {staleness.share:.1%} worse"
        f" {staleness.num_events:,} events after the last, which has lost {lost:.3g} of"
        f" {cost.value:.3g} {cost.unit}"
    )


def _by_what_waits(state: PlanState, settings: WorkerSettings) -> Turn | Skip:
    if state.num_new_events >= settings.min_events:
        text = f"{state.num_new_events:,} new events"
        if state.staleness is not None and state.last_full_cost is not None:
            text = f"{text}; {_worth_text(state.staleness, state.last_full_cost, settings)}"
        return _turn("update", "new_events", text)
    if state.num_new_items + state.num_new_pictures > 0:
        return _turn("items", "new_items", _new_items(state))
    return _too_few_events(state, settings)


def _new_items(state: PlanState) -> str:
    items = f"{state.num_new_items:,} new or changed items and facts"
    pictures = f"{state.num_new_pictures:,} new pictures of items"
    if not state.num_new_pictures:
        return items
    return f"{items}, {pictures}" if state.num_new_items else pictures


def _is_full_due(state: PlanState, settings: WorkerSettings, *, periods: int = 1) -> bool:
    if state.last_full_at is None:
        return True
    period = timedelta(seconds=periods * settings.full_every_s)
    return not timedelta(0) <= state.now - state.last_full_at < period


def _share_of_full(state: PlanState) -> float | None:
    """Return a full retrain's duration as a share of the time since the last; None if unknown."""
    if state.last_full_at is None or state.last_full_s is None or state.now <= state.last_full_at:
        return None
    return state.last_full_s / (state.now - state.last_full_at).total_seconds()


def _backoff(state: PlanState, settings: WorkerSettings) -> Skip | None:
    if state.last_ended_at is None or state.last_ended_at > state.now:
        return None
    until = state.last_ended_at + backoff(state.num_unpublished, settings)
    if state.now >= until:
        return None
    noun = "run" if state.num_unpublished == 1 else "runs"
    text = (
        f"after {state.num_unpublished} {noun} that did not publish "
        f"the next one waits until {until:%H:%M:%S} UTC"
    )
    return _skip("backoff", text)


def _too_few_events(state: PlanState, settings: WorkerSettings) -> Skip:
    text = f"not enough new events: {state.num_new_events:,} of {settings.min_events:,}"
    return _skip("too_few_events", text)


def _baseline(state: PlanState, settings: WorkerSettings, *, name: str, text: str) -> Turn | Skip:
    wait = _backoff(state, settings)
    return wait if wait is not None else _turn("baseline", name, text)


def _turn(mode: Mode, name: str, text: str) -> Turn:
    return Turn(mode=mode, reason=Reason(name=name, ok=True, text=text))


def _skip(name: str, text: str) -> Skip:
    return Skip(reason=Reason(name=name, ok=False, text=text))
