"""The users of an experiment's arms, from the slates that they were served and their events.

A user takes part from the first list of the experiment on. The reward is that of all their events
since then, whether or not they name a list: an arm that only takes clicks from other lists is not
better. The exposure is the number of days since then, the present one included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from cron.experiments.catalogue_growth import compare_at_equal_size
from cron.experiments.outcome import ArmSums
from cron.experiments.user_sums import UserTotals, sum_users

DAY_US = 86_400_000_000
DAYS_BEFORE = 14  # of rewards before the first list, for the adjustment
_HEAD = 0.01  # share of the shown items that are the most shown ones
LIST_COLUMNS = ("at_us", "user_id", "items", "fallback", "arm")


@dataclass(slots=True, kw_only=True)
class ExperimentUser:
    """A user of an arm: when they came, what they were shown, and what they did."""

    arm: str
    first_us: int
    num_lists: int = 0
    num_fallbacks: int = 0
    items: list[str] = field(default_factory=list)
    reward: float = 0.0
    revenue: float = 0.0
    before: float = 0.0


def users_of_slates(name: str, tables: Iterable[pa.Table]) -> dict[str, ExperimentUser]:
    """Return the users of an experiment by id; the tables have LIST_COLUMNS.

    All of them share one string per item: lists show the same items again and again.
    """
    users: dict[str, ExperimentUser] = {}
    one_of: dict[str, str] = {}
    for table in tables:
        columns = [table[column].to_pylist() for column in LIST_COLUMNS]
        for at_us, user_id, items, is_fallback, arm in zip(*columns, strict=True):
            experiment, _, arm_name = (arm or "").partition("/")
            if experiment != name or user_id is None:
                continue
            user = users.setdefault(user_id, ExperimentUser(arm=arm_name, first_us=at_us))
            user.first_us = min(user.first_us, at_us)
            user.num_lists += 1
            user.num_fallbacks += bool(is_fallback)
            user.items += [one_of.setdefault(item, item) for item in items]
    return users


def add_rewards(
    users: Mapping[str, ExperimentUser], events: pa.Table, weights: Mapping[str, float]
) -> None:
    """Add the events since the users came; `value` may be missing where no event has one."""
    values = [None] * events.num_rows
    if "value" in events.column_names:
        values = events["value"].to_pylist()
    columns = [events[name].to_pylist() for name in ("user_id", "type", "at_us")]
    for user_id, type_, at_us, value in zip(*columns, values, strict=True):
        user = users.get(user_id)
        if user is not None and at_us >= user.first_us:
            user.reward += weights.get(type_, 0.0)
            user.revenue += value or 0.0


def add_rewards_before(
    users: Mapping[str, ExperimentUser], events: pa.Table, weights: Mapping[str, float]
) -> None:
    """Add the events of the two weeks before the users came, as a rate per day."""
    columns = [events[name].to_pylist() for name in ("user_id", "type", "at_us")]
    for user_id, type_, at_us in zip(*columns, strict=True):
        user = users.get(user_id)
        if user is not None and 0 < user.first_us - at_us <= DAYS_BEFORE * DAY_US:
            user.before += weights.get(type_, 0.0) / DAYS_BEFORE


def arm_sums(
    users: Iterable[ExperimentUser], shares: Mapping[str, float], *, now_us: int
) -> tuple[ArmSums, ...]:
    """Return the sums of each arm, in the order of `shares`."""
    by_arm: dict[str, list[ExperimentUser]] = {name: [] for name in shares}
    for user in users:
        if user.arm in by_arm:
            by_arm[user.arm].append(user)
    head = _most_shown([user for found in by_arm.values() for user in found])
    return tuple(
        ArmSums(
            name=name,
            share=share,
            reward=sum_users(
                UserTotals(reward=one.reward, exposure=_days(one, now_us), before=one.before)
                for one in by_arm[name]
            ),
            guardrails={
                "fallbacks": sum_users(
                    UserTotals(reward=one.num_fallbacks, exposure=one.num_lists)
                    for one in by_arm[name]
                ),
                "coverage": sum_users(
                    UserTotals(
                        reward=sum(item not in head for item in one.items), exposure=len(one.items)
                    )
                    for one in by_arm[name]
                ),
                "revenue": sum_users(
                    UserTotals(reward=one.revenue, exposure=_days(one, now_us))
                    for one in by_arm[name]
                ),
            },
        )
        for name, share in shares.items()
    )


def explored_items(users: Iterable[ExperimentUser], arms: Sequence[str]) -> dict[str, float]:
    """Return how many distinct items each arm has shown, at equal numbers of shown items."""
    shown: dict[str, Counter[str]] = {name: Counter() for name in arms}
    for user in users:
        if user.arm in shown:
            shown[user.arm].update(user.items)
    counts = [list(shown[name].values()) for name in arms]
    return dict(zip(arms, compare_at_equal_size(counts), strict=True))


def _most_shown(users: Iterable[ExperimentUser]) -> frozenset[str]:
    shown: Counter[str] = Counter()
    for user in users:
        shown.update(user.items)
    num = max(1, round(_HEAD * len(shown)))
    # equally often shown items in the order of their ids, so that a repeat finds the same
    ordered = sorted(shown, key=lambda item: (-shown[item], item))
    return frozenset(ordered[:num])


def _days(user: ExperimentUser, now_us: int) -> float:
    return float(max(0, now_us - user.first_us) // DAY_US + 1)
