"""Whether an item matches a filter, by the rule of the endpoint's filters.

An attribute matches when it equals the wanted value or is a list that contains it. A number is
found by its decimal text too. Of a list of wanted values one has to match, of several attributes
all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

from gateway.bodies.recommendations import FilterValue
from gateway.errors import BadQuery
from recommender.records.events import AttributeValue
from recommender.records.excerpt import excerpt

MAX_FILTERS = 20  # the endpoint's own limits
MAX_VALUES = 1_000


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """The wanted values of each attribute."""

    wanted: Mapping[str, frozenset[str | float]]

    def matches(self, attributes: Mapping[str, AttributeValue]) -> bool:
        """Return whether an item with these attributes is wanted."""
        return all(
            name in attributes and not values.isdisjoint(_values(attributes[name]))
            for name, values in self.wanted.items()
        )


def item_filter(wanted: Mapping[str, FilterValue]) -> ItemFilter:
    """Return the filter of a query; raise BadQuery for values that no attribute has."""
    if len(wanted) > MAX_FILTERS:
        raise BadQuery(
            "filter", f"filter: found {len(wanted)}, expected at most {MAX_FILTERS} attributes"
        )
    return ItemFilter({name: _wanted_values(name, value) for name, value in wanted.items()})


def _wanted_values(name: str, value: object) -> frozenset[str | float]:
    values = value if isinstance(value, list) and 0 < len(value) <= MAX_VALUES else [value]
    found: set[str | float] = set()
    for one in values:
        if isinstance(one, str):
            found.add(one)
        elif value is one and _is_number(one):
            found.add(float(one))
        else:
            raise BadQuery(
                "filter",
                f"filter.{excerpt(name)[1:-1]}: found {excerpt(one)}, expected a string, a finite "
                "number or a non-empty list of strings",
            )
    return frozenset(found)


def _is_number(value: object) -> TypeGuard[int | float]:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of more than 308 digits
        return False


def _values(value: AttributeValue) -> tuple[str | float, ...]:
    if isinstance(value, tuple):
        return value
    return (value, f"{value:.15g}") if isinstance(value, float) else (value,)
