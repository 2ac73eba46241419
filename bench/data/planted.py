"""The plan of a made-up shop: popularity, groups of items, and tastes that drift.

Everything is a function of the seed and of numbers (user, item, time), so that a shop of any size
needs memory for its items only and its quality can be checked against the plan.

* An item belongs to one group, drawn at random. Its popularity follows Zipf's law.
* A user has three tastes (groups) at any time. Each is replaced after `TASTE_S`, on a day of its
  own, by another group.
* A session belongs to one user and has `VIEWS` views on average. `TASTE_SHARE` of the sessions
  are about one of the user's tastes, and `GROUP_SHARE` of the views of such a session are of items
  of that group. Everything else is drawn by popularity alone.
* A view leads to the cart, the cart to a purchase and a purchase to a rating with the given shares.
  Ratings depend on the item and on whether it belongs to a taste.

    N  items in the order of their rows      E  events      S  sessions      V  views
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BEGAN_S = 1_767_225_600  # 2026-01-01
SPAN_S = 180 * 86_400
ZIPF_EXPONENT = 0.8
NUM_TASTES = 3
TASTE_S = 120 * 86_400
TASTE_SHARE, GROUP_SHARE = 0.8, 0.8
VIEWS = 5.0
CART_SHARE, PURCHASE_SHARE, RATING_SHARE = 0.15, 0.5, 0.3
EVENTS_A_USER = 40
ITEMS_A_GROUP, MOST_GROUPS = 100, 5_000
# The users of the first day, as a share of all; the others join evenly.
FOUNDERS = 0.4
TYPES = ("view", "add_to_cart", "purchase", "rating")
_VIEW, _CART, _PURCHASE, _RATING = range(4)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Events in time order: users and items by number, types by place in `TYPES`.

    A rating of NaN means none; times are whole seconds.
    """

    users_E: Ints
    items_E: Ints
    types_E: Ints
    ratings_E: Floats
    at_E: Ints

    def __len__(self) -> int:
        return len(self.at_E)


class Shop:
    """The plan of a shop of `num_items` items and `num_events` events."""

    def __init__(self, num_items: int, num_events: int, *, seed: int = 0) -> None:
        self.num_items = num_items
        self.num_events = num_events
        self.num_users = max(1, num_events // EVENTS_A_USER)
        self.num_groups = min(MOST_GROUPS, max(2, num_items // ITEMS_A_GROUP))
        self._seed = seed
        generator = np.random.default_rng((seed, 0))
        self.groups_N = generator.integers(0, self.num_groups, num_items)
        shares_N = np.arange(1, num_items + 1) ** -ZIPF_EXPONENT
        generator.shuffle(shares_N)
        self._quality_N = generator.normal(0, 0.7, num_items)
        # Items by group, with running sums of their popularity: a draw is one binary search.
        self._by_group_N = np.argsort(self.groups_N, kind="stable")
        self._sums_N = np.cumsum(shares_N[self._by_group_N])
        ends_G = np.cumsum(np.bincount(self.groups_N, minlength=self.num_groups))
        sums = np.concatenate([[0.0], self._sums_N])
        self._lows_G, self._highs_G = (
            sums[np.concatenate([[0], ends_G[:-1]])],
            sums[ends_G],
        )

    def tastes(self, users_X: Ints, at_X: Ints) -> Ints:
        """Return the groups tastes_XT that users like at given times."""
        slots_T = np.arange(NUM_TASTES, dtype=np.uint64)
        slots_XT = users_X.astype(np.uint64)[:, None] * np.uint64(NUM_TASTES) + slots_T
        phases_XT = (self._hash(slots_XT, 1) % np.uint64(TASTE_S)).astype(np.int64)
        terms_XT = (at_X[:, None] - BEGAN_S + phases_XT) // TASTE_S
        drawn_XT = self._hash(slots_XT * np.uint64(1 << 16) + terms_XT.astype(np.uint64), 2)
        return (drawn_XT % np.uint64(self.num_groups)).astype(np.int64)

    def block(self, number: int, of: int) -> Events:
        """Return the events of one of `of` equal stretches of time, in time order."""
        generator = np.random.default_rng((self._seed, 1, number))
        first, last = (self.num_events * (number + one) // of for one in (0, 1))
        wanted = last - first
        began_s = BEGAN_S + SPAN_S * number // of
        ends_s = BEGAN_S + SPAN_S * (number + 1) // of
        # Each view brings other events, so there are enough sessions for `wanted` in all but very
        # small blocks; there the loop below makes more.
        parts: list[Events] = []
        while sum(map(len, parts)) < wanted:
            num_sessions = max(20, int(1.05 * wanted / VIEWS))
            parts.append(self._sessions(generator, num_sessions, began_s, ends_s))
        whole = concatenate(parts)
        # Any events may be left out, since each has its own time.
        kept = np.sort(generator.permutation(len(whole))[:wanted])
        return _sorted_by_time(rows_of(whole, kept))

    def _sessions(
        self, generator: np.random.Generator, num_sessions: int, began_s: int, ends_s: int
    ) -> Events:
        at_S = generator.integers(began_s, ends_s, num_sessions)
        joined_S = FOUNDERS + (1 - FOUNDERS) * (at_S - BEGAN_S) / SPAN_S
        # The square makes a few users active and most of them rare.
        drawn_S = generator.random(num_sessions) ** 2
        users_S = (drawn_S * joined_S * self.num_users).astype(np.int64)
        tastes_ST = self.tastes(users_S, at_S)
        slots_S = generator.integers(0, NUM_TASTES, num_sessions)
        groups_S = tastes_ST[np.arange(num_sessions), slots_S]
        groups_S[generator.random(num_sessions) > TASTE_SHARE] = -1
        views_S = generator.geometric(1 / VIEWS, num_sessions)
        sessions_V = np.repeat(np.arange(num_sessions), views_S)
        places_V = np.arange(len(sessions_V)) - np.repeat(np.cumsum(views_S) - views_S, views_S)
        groups_V = groups_S[sessions_V]
        groups_V[generator.random(len(groups_V)) > GROUP_SHARE] = -1
        items_V = self._draw_items(generator, groups_V)
        at_V = at_S[sessions_V] + 120 * places_V + generator.integers(0, 60, len(places_V))
        users_V = users_S[sessions_V]
        is_liked_V = (self.groups_N[items_V][:, None] == tastes_ST[sessions_V]).any(1)
        return self._with_outcomes(generator, users_V, items_V, at_V, is_liked_V)

    def _draw_items(self, generator: np.random.Generator, groups_V: Ints) -> Ints:
        """Draw items by popularity, of a group or, at -1, of all items."""
        lows_V = np.where(groups_V < 0, 0.0, self._lows_G[groups_V])
        highs_V = np.where(groups_V < 0, self._sums_N[-1], self._highs_G[groups_V])
        # A group without items has no width, and a draw then takes the neighbouring item.
        drawn_V = lows_V + generator.random(len(groups_V)) * (highs_V - lows_V)
        places_V = np.searchsorted(self._sums_N, drawn_V, side="right")
        items_V: Ints = self._by_group_N[np.minimum(places_V, self.num_items - 1)]
        return items_V

    def _with_outcomes(
        self,
        generator: np.random.Generator,
        users_V: Ints,
        items_V: Ints,
        at_V: Ints,
        is_liked_V: NDArray[np.bool_],
    ) -> Events:
        """Add what the views lead to: carts, purchases, ratings."""
        rows = [np.arange(len(users_V))]
        for share in (CART_SHARE, PURCHASE_SHARE, RATING_SHARE):
            rows.append(rows[-1][generator.random(len(rows[-1])) < share])
        rows_E = np.concatenate(rows)
        types_E = np.repeat(np.arange(len(TYPES)), [len(one) for one in rows])
        liked_E = 1.2 * is_liked_V[rows_E] + self._quality_N[items_V[rows_E]]
        stars_E = np.clip(np.rint(3.0 + liked_E + generator.normal(0, 0.7, len(rows_E))), 1, 5)
        return Events(
            users_E=users_V[rows_E],
            items_E=items_V[rows_E],
            types_E=types_E,
            ratings_E=np.where(types_E == _RATING, stars_E, np.nan),
            at_E=at_V[rows_E] + 15 * types_E,
        )

    def _hash(self, values: NDArray[np.uint64], purpose: int) -> NDArray[np.uint64]:
        """Return splitmix64 (Steele et al. 2014) of the values, another one for each purpose."""
        with np.errstate(over="ignore"):
            mixed = values + _GOLDEN * np.uint64(1_000 * self._seed + purpose)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            return mixed ^ (mixed >> np.uint64(31))


def concatenate(parts: Sequence[Events]) -> Events:
    """Return the events of all parts, one after the other."""
    return Events(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in Events.__dataclass_fields__
        }
    )


def rows_of(events: Events, rows: Ints) -> Events:
    """Return some of the events, in the order of `rows`."""
    return Events(**{name: getattr(events, name)[rows] for name in Events.__dataclass_fields__})


def _sorted_by_time(events: Events) -> Events:
    return rows_of(events, np.argsort(events.at_E, kind="stable"))
