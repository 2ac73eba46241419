"""How a placement explores: the policy of its lists, and the chance of new items."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from recommender.requests.list_policy import PolicyName, strength_of
from recommender.requests.policy_fields import (
    read_doubt,
    read_epsilon,
    read_policy_name,
    read_policy_object,
    read_share,
    read_temperature,
    read_width,
)
from recommender.requests.rule_fields import read_object, read_whole
from recommender.requests.wire import BadRequest

MAX_IMPRESSIONS = 1_000_000
MAX_DAYS = 28  # of which the counts of impressions are kept
# after 100 impressions a click-through rate of 5 % is known to ±4 points (95 %)
DEFAULT_IMPRESSIONS = 100
DEFAULT_DAYS = 14  # what is never shown often enough does not keep its slots forever
# of an item: the doubt about it is worth as many. Of 10, 30, 100 and 300 the film shop of the bench
# earned most with 30, on seeds that it does not report
DOUBT_IMPRESSIONS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItemsBudget:
    """New items get `share` of the slots until each has so many impressions, or is so old.

    With a `doubt`, in spreads, they get only those where they may be worth more than what they
    displace: it is by how much the score of an item that nobody has seen may be wrong.
    """

    share: float
    impressions: int = DEFAULT_IMPRESSIONS
    days: int = DEFAULT_DAYS
    doubt: float | None = None


def doubt_after(num_events: int, doubt: float) -> float:
    """Return what is left of a doubt after an item's impressions and other events."""
    return doubt / math.sqrt(1 + num_events / DOUBT_IMPRESSIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementPolicy:
    """A policy of lists; `epsilon`, `temperature` and `width` are read by those that need them."""

    name: PolicyName
    epsilon: float = 0.0
    temperature: float = 1.0
    width: float = 1.0
    new_items: NewItemsBudget | None = None

    @property
    def explores(self) -> bool:
        """Whether chance decides what is in the lists."""
        return self.name != "greedy" or self.new_items is not None


def parse_policy(raw: object, where: str) -> PlacementPolicy:
    """Parse the policy of a placement; raise BadRequest."""
    values = read_policy_object(raw, where, {"new_items"})
    new_items = values.get("new_items")
    return PlacementPolicy(
        name=read_policy_name(values["name"], f"{where}.name"),
        epsilon=read_epsilon(values, where),
        temperature=read_temperature(values, where),
        width=read_width(values, where),
        new_items=None if new_items is None else _budget(new_items, f"{where}.new_items"),
    )


def policy_json(policy: PlacementPolicy) -> Mapping[str, object]:
    """Return a policy in the form that `parse_policy` reads."""
    values: dict[str, object] = {"name": policy.name}
    strengths = {
        "epsilon": policy.epsilon,
        "temperature": policy.temperature,
        "width": policy.width,
    }
    strength = strength_of(policy.name)
    if strength is not None:
        values[strength] = strengths[strength]
    budget = policy.new_items
    if budget is not None:
        of_budget: dict[str, object] = {
            "share": budget.share,
            "impressions": budget.impressions,
            "days": budget.days,
        }
        if budget.doubt is not None:
            of_budget["doubt"] = budget.doubt
        values["new_items"] = of_budget
    return values


def _budget(raw: object, where: str) -> NewItemsBudget:
    values = read_object(raw, where, {"share", "impressions", "days", "doubt"})
    if "share" not in values:
        raise BadRequest(f"{where}.share", found="nothing", expected="a number from 0 to 1")
    impressions = values.get("impressions", DEFAULT_IMPRESSIONS)
    days, doubt = values.get("days", DEFAULT_DAYS), values.get("doubt")
    return NewItemsBudget(
        share=read_share(values["share"], f"{where}.share"),
        impressions=read_whole(impressions, f"{where}.impressions", 1, MAX_IMPRESSIONS),
        days=read_whole(days, f"{where}.days", 1, MAX_DAYS),
        doubt=None if doubt is None else read_doubt(doubt, f"{where}.doubt"),
    )
