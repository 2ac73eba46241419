"""Rules that change the order of a list: their types and limits.

`recommender.requests.rule_fields` reads them and `recommender.lists.rule_engine` applies them. A
boost's `add` is in spreads of the list: 1 is the standard deviation of its 100 highest scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_BOOSTS = 50
MAX_ADD = 1_000.0
MAX_LIMITED = 10  # attributes with at most n items for each value
MAX_BONUSES = 1_000
MAX_PINS = 100
# The rules choose from this many items for a list of k, and from more when too few are left.
POOL_SHARE, POOL_MORE, FIRST_POOL = 10, 100, 3_000
MAX_POOL = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Boost:
    """Items whose attribute matches as in a filter get `add` spreads; a negative one buries."""

    attribute: str
    value: str | float | tuple[str, ...]
    add: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DateBoost:
    """Items get `add` spreads, halved with each `half_life_s` between their date and `at_s`.

    The date is that of an attribute, a year or an ISO date.
    """

    attribute: str
    add: float
    half_life_s: float
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRules:
    """The rules of one list, in the order in which they are applied.

    `bonuses` are spreads by item id. `pinned` are ids that the client shows beside the list: they
    are left out, and count where a value may have at most n items. `filter` is in addition to the
    question's own.
    """

    filter: Mapping[str, str | float | tuple[str, ...]] = field(default_factory=dict)
    boosts: tuple[Boost, ...] = ()
    bonuses: Mapping[str, float] = field(default_factory=dict)
    freshness: DateBoost | None = None
    min_rating: float | None = None
    diversity: float = 0.0
    at_most: Mapping[str, int] = field(default_factory=dict)
    pinned: tuple[str, ...] = ()


def first_pool(k: int) -> int:
    """Return how many items the rules first choose from for a list of k."""
    return min(POOL_SHARE * k + POOL_MORE, FIRST_POOL)
