"""What the next turn does: a pure function of what waits, what is live and what happened lately.

Knows the rules of DESIGN's cycle; does not know how they are carried out, nor when a turn comes
(`cron.worker.worker`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cron.lineage import Hold, Manifest, Reason
from cron.settings.tree import WorkerSettings
from trainer.config import Mode

MAX_BACKOFF = timedelta(hours=1)  # a person who mended the data should not wait longer


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanState:
    """Everything that decides. `num_new_*` count journal records after the live release's ranges, without excluded ones.

    `settings_changed`: the live release was made with another encoder or model than the settings
    now ask for. `format_changed`: it was made by a version of this program whose bundles this one
    can't go on from. Times after `now` were noted before the clock was set back: how long ago that
    was is not known, and nothing waits for them. `last_full_s` is how long the training of the last
    full retrain took. Since the last run that published: `num_refusals` are those that say
    something about the model or its data (refused by the gate, or by the trainer itself),
    `num_unpublished` also those that failed for a fault of the machinery; `last_ended_at` is the
    end of the latest.
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
    force_full: bool = False


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
        return _baseline(
            state, settings, name="nothing_live", text="nothing is live yet: a baseline goes first"
        )
    if state.force_full:
        return _turn("full", "asked_for", "a full retrain was asked for")
    if (wait := _backoff(state, settings)) is not None:
        return wait
    return _by_need(state, state.live, settings)


def backoff(num_unpublished: int, settings: WorkerSettings) -> timedelta:
    """Return how long to wait after so many runs that did not publish: doubled with each, at most an hour."""
    if num_unpublished == 0:
        return timedelta(0)
    return min(
        MAX_BACKOFF,
        timedelta(seconds=settings.refusal_backoff_s) * (1 << min(num_unpublished - 1, 20)),
    )


def _by_need(state: PlanState, live: Manifest, settings: WorkerSettings) -> Turn | Skip:
    few = _skip(
        "too_few_events",
        f"not enough new events: {state.num_new_events:,} of {settings.min_events:,}",
    )
    enough = state.num_new_events >= settings.min_events
    if live.mode == "baseline":
        if enough:
            return _turn(
                "full",
                "first_training",
                f"{state.num_new_events:,} events wait and only a baseline is live: the first training",
            )
        return (
            _baseline(state, settings, name="new_items", text=f"{state.num_new_items:,} new items")
            if state.num_new_items
            else few
        )
    if state.format_changed:
        return _turn(
            "full",
            "format_changed",
            "the live release is of another version of this program: a full retrain",
        )
    if state.settings_changed:
        return _turn(
            "full",
            "settings_changed",
            "the settings ask for another encoder or model: a full retrain",
        )
    if state.num_refusals >= settings.max_refusals:
        return _turn(
            "full",
            "refusals",
            f"{state.num_refusals} runs were refused since the last release: a full retrain",
        )
    period = timedelta(seconds=settings.full_every_s)
    is_due = (
        state.last_full_at is None or not timedelta(0) <= state.now - state.last_full_at < period
    )
    if is_due and state.num_new_events > 0:
        return _turn(
            "full",
            "full_is_due",
            f"the last full retrain is more than {settings.full_every_s / 3600:.0f} hours ago",
        )
    if enough and (share := _share_of_full(state)) is not None and share <= settings.full_share:
        return _turn(
            "full",
            "full_is_cheap",
            f"a full retrain takes {share:.0%} of the time since the last, at most {settings.full_share:.0%}",
        )
    if enough:
        return _turn("update", "new_events", f"{state.num_new_events:,} new events")
    if state.num_new_items > 0:
        return _turn("items", "new_items", f"{state.num_new_items:,} new or changed items")
    return few


def _share_of_full(state: PlanState) -> float | None:
    """Return how long a full retrain takes, as a share of the time since the last one; None when that is not known."""
    if state.last_full_at is None or state.last_full_s is None or state.now <= state.last_full_at:
        return None
    return state.last_full_s / (state.now - state.last_full_at).total_seconds()


def _backoff(state: PlanState, settings: WorkerSettings) -> Skip | None:
    if state.last_ended_at is None or state.last_ended_at > state.now:
        return None
    until = state.last_ended_at + backoff(state.num_unpublished, settings)
    if state.now >= until:
        return None
    return _skip(
        "backoff",
        f"after {state.num_unpublished} runs that did not publish the next one waits until {until:%H:%M:%S} UTC",
    )


def _baseline(state: PlanState, settings: WorkerSettings, *, name: str, text: str) -> Turn | Skip:
    wait = _backoff(state, settings)
    return wait if wait is not None else _turn("baseline", name, text)


def _turn(mode: Mode, name: str, text: str) -> Turn:
    return Turn(mode=mode, reason=Reason(name=name, ok=True, text=text))


def _skip(name: str, text: str) -> Skip:
    return Skip(reason=Reason(name=name, ok=False, text=text))
