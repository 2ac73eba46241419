"""A planted shop in which what is clicked most today loses visitors.

Every visitor likes one group of items. A fifth of the items are in no group: they are clickbait,
which everybody clicks more often than anything else. A visitor looks at a list from the top and
clicks at most one item. After each list they may leave for good, and after clickbait half of them
do. Letters: V visitors, N items, K positions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

NUM_ITEMS, NUM_GROUPS = 100, 4
NUM_CLICKBAIT = 20  # the first items; the others take turns among the groups
LIST_SIZE = 5
MAX_VISITS = 30
NUM_EARLIER = 3  # clicks before the first list, from which a policy can know the group
NO_CLICK = -1
# the probability of a click on an item that is looked at, and of leaving after it
CLICKBAIT, LIKED, OTHER = 0.4, 0.3, 0.03
LEAVES_AFTER = {"clickbait": 0.7, "liked": 0.03, "other": 0.05, "nothing": 0.1}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnLists:
    """The items that each visitor is shown, by position, and the propensity of each."""

    items_VK: Ints
    propensity_VK: Floats


# the lists for some visitors, from their clicks so far and from what they may see
Policy = Callable[["ShopVisitors", Ints], DrawnLists]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedVisit:
    """One list: the visitor's number, how many clicks they had before, and the click."""

    visitor: int
    number: int
    num_before: int
    items: tuple[int, ...]
    propensities: tuple[float, ...]
    clicked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopVisitors:
    """ShopVisitors with the group that each likes, and what each has clicked so far."""

    group_V: Ints
    clicks: list[list[int]] = field(default_factory=list)

    @classmethod
    def arrive(cls, num_visitors: int, generator: np.random.Generator) -> ShopVisitors:
        """Return new visitors, who have clicked some items of their groups elsewhere."""
        group_V = generator.integers(NUM_GROUPS, size=num_visitors)
        groups_N = item_groups()
        clicks = [
            generator.choice(np.flatnonzero(groups_N == group), NUM_EARLIER, replace=False).tolist()
            for group in group_V
        ]
        return cls(group_V=group_V, clicks=clicks)

    def unseen(self, visitors_V: Ints) -> Flags:
        """Mark what some visitors have not clicked yet, allowed_VN."""
        allowed_VN = np.ones((len(visitors_V), NUM_ITEMS), np.bool_)
        for row, visitor in enumerate(visitors_V):
            allowed_VN[row, self.clicks[visitor]] = False
        return allowed_VN


def item_groups() -> Ints:
    """Return the group of each item; −1 for clickbait."""
    groups_N = np.arange(NUM_ITEMS) % NUM_GROUPS
    groups_N[:NUM_CLICKBAIT] = -1
    return groups_N


def run_visits(
    visitors: ShopVisitors, policy: Policy, generator: np.random.Generator
) -> list[ServedVisit]:
    """Serve lists until every visitor has left or has had `MAX_VISITS`; return all lists."""
    groups_N = item_groups()
    staying_V = np.arange(len(visitors.group_V))
    visits: list[ServedVisit] = []
    for number in range(MAX_VISITS):
        lists = policy(visitors, staying_V)
        groups_VK = groups_N[lists.items_VK]
        is_liked_VK = groups_VK == visitors.group_V[staying_V, None]
        click_VK = np.where(is_liked_VK, LIKED, np.where(groups_VK < 0, CLICKBAIT, OTHER))
        hit_VK = generator.random(click_VK.shape) < click_VK
        has_click_V: Flags = np.asarray(hit_VK.any(axis=1))
        first_V = hit_VK.argmax(axis=1)
        leaves_V = np.full(len(staying_V), LEAVES_AFTER["nothing"])
        for row, (visitor, position) in enumerate(zip(staying_V, first_V, strict=True)):
            item = int(lists.items_VK[row, position]) if has_click_V[row] else NO_CLICK
            visits.append(
                ServedVisit(
                    visitor=int(visitor),
                    number=number,
                    num_before=len(visitors.clicks[visitor]),
                    items=tuple(lists.items_VK[row].tolist()),
                    propensities=tuple(lists.propensity_VK[row].tolist()),
                    clicked=item,
                )
            )
            if item != NO_CLICK:
                visitors.clicks[visitor].append(item)
                leaves_V[row] = _leaves_after(groups_N[item], int(visitors.group_V[visitor]))
        staying_V = staying_V[generator.random(len(staying_V)) >= leaves_V]
        if not len(staying_V):
            break
    return visits


def discounted_returns(visits: list[ServedVisit], *, num_visitors: int, discount: float) -> Floats:
    """Return the discounted number of clicks of each visitor, from their first list on."""
    returns_V = np.zeros(num_visitors)
    for visit in visits:
        if visit.clicked != NO_CLICK:
            returns_V[visit.visitor] += discount**visit.number
    return returns_V


def draw_lists(score_VN: Floats, allowed_VN: Flags, generator: np.random.Generator) -> DrawnLists:
    """Draw lists in proportion to exp(score), item by item, without repetition (Plackett–Luce)."""
    score_VN = np.where(allowed_VN, score_VN, -np.inf)
    noise_VN = generator.gumbel(size=score_VN.shape)
    items_VK = np.argsort(-(score_VN + noise_VN), axis=1)[:, :LIST_SIZE]
    weight_VN = np.exp(score_VN - score_VN.max(axis=1, keepdims=True))
    picked_VK = np.take_along_axis(weight_VN, items_VK, axis=1)
    before_VK = np.cumsum(picked_VK, axis=1) - picked_VK
    left_VK = weight_VN.sum(axis=1, keepdims=True) - before_VK
    return DrawnLists(items_VK=items_VK, propensity_VK=picked_VK / left_VK)


def best_lists(score_VN: Floats, allowed_VN: Flags) -> DrawnLists:
    """Return the lists of the best items."""
    score_VN = np.where(allowed_VN, score_VN, -np.inf)
    items_VK = np.argsort(-score_VN, axis=1, kind="stable")[:, :LIST_SIZE]
    return DrawnLists(items_VK=items_VK, propensity_VK=np.ones(items_VK.shape))


def with_random_slots(
    lists: DrawnLists, allowed_VN: Flags, *, epsilon: float, generator: np.random.Generator
) -> DrawnLists:
    """Replace the item of each position, with probability `epsilon`, by one drawn uniformly.

    The propensities of these lists are not computed: nothing is learned from them.
    """
    items_VK = lists.items_VK.copy()
    for row, position in np.argwhere(generator.random(items_VK.shape) < epsilon):
        free_N = allowed_VN[row].copy()
        free_N[items_VK[row]] = False
        items_VK[row, position] = generator.choice(np.flatnonzero(free_N))
    return DrawnLists(items_VK=items_VK, propensity_VK=np.full(items_VK.shape, np.nan))


def _leaves_after(item_group: int, visitor_group: int) -> float:
    if item_group < 0:
        return LEAVES_AFTER["clickbait"]
    return LEAVES_AFTER["liked" if item_group == visitor_group else "other"]
