"""The lists whose events still count, and the rewards of their items as events come.

The rules are those of `cron.shown_rewards`, except that events are taken in the order of the log:
of several events of one type with one shown item, the one that arrives first counts.

A gateway stores a list up to half a second after it was served, and later while the log is away. So
an event may be in the log before the list that it names: it waits for that list for some time.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from cron.epoch import micros
from cron.settings.tree import RewardSettings
from cron.shown_rewards import CLOCK_SLACK_US, event_worth
from recommender.records.events import Event
from recommender.records.slates import Slate

EARLY_US = 60_000_000  # how long an event waits for its list: twice a gateway's longest retry
MAX_EARLY = 10_000
MAX_LISTS = 50_000  # the newest; with ten items each they take some 100 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class ListImpression:
    """An item of a list: its score minus the list's mean, and 1 / log2(1 + rank)."""

    item_id: str
    score: float
    position: float
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardChange:
    """A reward of a shown item that has risen or fallen."""

    shown: ListImpression
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenList:
    """A list with the mean of its scores."""

    slate: Slate
    at_us: int
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _EarlyEvent:
    """An event that waits for the list that it names since a time."""

    event: Event
    list_id: str
    worth: float
    at_us: int


class OpenLists:
    """The newest lists, by their ids and by their users."""

    def __init__(self, reward: RewardSettings, *, max_lists: int = MAX_LISTS) -> None:
        self._reward = reward
        self._window_us = round(reward.window_s * 1_000_000)
        self._max_lists = max_lists
        self._by_id: dict[str, _OpenList] = {}  # in the order of the log
        self._of_user: dict[str, deque[str]] = {}
        self._rewards: dict[tuple[str, str], dict[str, float]] = {}  # by event type
        self._early = deque[_EarlyEvent]()  # in the order of the log

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, slate: Slate) -> tuple[ListImpression, ...]:
        """Add a list, and return its items; none for a list that is there, or without scores."""
        scores = [score for score in slate.scores or () if score is not None]
        if not scores or slate.event_id in self._by_id:
            return ()
        mean = math.fsum(scores) / len(scores)
        opened = _OpenList(slate=slate, at_us=micros(slate.at), mean=mean)
        self._by_id[slate.event_id] = opened
        if slate.user_id is not None:
            self._of_user.setdefault(slate.user_id, deque()).append(slate.event_id)
        while len(self._by_id) > self._max_lists:
            self._close(next(iter(self._by_id)))
        found = (_impression_of(opened, place) for place in range(len(slate.items)))
        return tuple(one for one in found if one is not None)

    def reward(self, event: Event, *, at_us: int) -> tuple[RewardChange, ...]:
        """Return the change that an event makes, if any, and those of events that have waited.

        An event without a reward or a list makes none. One whose list is not here yet waits from
        `at_us` on, and counts for another list of its user after EARLY_US.
        """
        worth = event_worth(event, self._reward)
        if worth == 0:
            return ()
        named = _named_list(event)
        if named is None or named in self._by_id:
            return _some(self._change(event, worth))
        self._early.append(_EarlyEvent(event=event, list_id=named, worth=worth, at_us=at_us))
        if len(self._early) <= MAX_EARLY:
            return ()
        first = self._early.popleft()
        return _some(self._change(first.event, first.worth))

    def rewards_of_early_events(self, at_us: int) -> tuple[RewardChange, ...]:
        """Return the changes by events whose list has come, or that have waited long enough."""
        if not self._early:
            return ()
        changes, waiting = list[RewardChange](), deque[_EarlyEvent]()
        for one in self._early:
            if one.list_id in self._by_id or not 0 <= at_us - one.at_us < EARLY_US:
                changes.extend(_some(self._change(one.event, one.worth)))
            else:
                waiting.append(one)
        self._early = waiting
        return tuple(changes)

    def _change(self, event: Event, worth: float) -> RewardChange | None:
        shown = self._shown_by(event)
        if shown is None:
            return None
        list_id, item = shown
        rewards = self._rewards.setdefault((list_id, event.item_id), {})
        if event.type in rewards:
            return None
        before = math.fsum(rewards.values())
        rewards[event.type] = worth
        return RewardChange(shown=item, before=before, after=math.fsum(rewards.values()))

    def close_before(self, at_us: int) -> None:
        """Close the lists whose events count no longer at a time."""
        oldest_us = at_us - self._window_us - CLOCK_SLACK_US
        while self._by_id:
            list_id, first = next(iter(self._by_id.items()))
            if first.at_us >= oldest_us:
                return
            self._close(list_id)

    def _shown_by(self, event: Event) -> tuple[str, ListImpression] | None:
        """Return the list that an event counts for, and its item."""
        at_us = micros(event.at)
        named = _named_list(event)
        if named is not None and named in self._by_id:
            return self._in_list(named, event.item_id, at_us)
        for list_id in reversed(self._of_user.get(event.user_id, ())):
            found = self._in_list(list_id, event.item_id, at_us)
            if found is not None:
                return found
        return None

    def _in_list(self, list_id: str, item_id: str, at_us: int) -> tuple[str, ListImpression] | None:
        opened = self._by_id[list_id]
        age_us = at_us - opened.at_us
        if not -CLOCK_SLACK_US <= age_us <= self._window_us or item_id not in opened.slate.items:
            return None
        shown = _impression_of(opened, opened.slate.items.index(item_id))
        return None if shown is None else (list_id, shown)

    def _close(self, list_id: str) -> None:
        slate = self._by_id.pop(list_id).slate
        for item_id in slate.items:
            self._rewards.pop((list_id, item_id), None)
        if slate.user_id is not None:
            lists = self._of_user[slate.user_id]
            lists.remove(list_id)
            if not lists:
                del self._of_user[slate.user_id]


def _named_list(event: Event) -> str | None:
    return event.details.recommendation_id if event.details is not None else None


def _some(change: RewardChange | None) -> tuple[RewardChange, ...]:
    return () if change is None else (change,)


def _impression_of(opened: _OpenList, place: int) -> ListImpression | None:
    """Return an item of a list; None for a pin."""
    scores = opened.slate.scores or ()
    score = scores[place]
    if score is None:
        return None
    return ListImpression(
        item_id=opened.slate.items[place],
        score=score - opened.mean,
        position=1 / math.log2(2 + place),
        at_us=opened.at_us,
    )
