"""Warnings about a data set that can be read but may not be what its owner expects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cron.verbs.table import count
from recommender.records.nobody import PERHAPS_NOBODY

if TYPE_CHECKING:  # imports pandas
    from sources.source import Source

_FREQUENT = 0.01  # of all rows; a few odd rows are not worth a warning


def warnings_of(source: Source) -> list[str]:
    """Return one sentence for each thing that the owner should check."""
    warnings = list(source.warnings)
    if not source.is_linked():
        unlinked = f"no event is about any of the {source.num_items:,} items of {source.items_file}"
        warnings.append(f"{unlinked}; do both files write the ids in the same way?")
    return warnings + _rejected_words(source) + _frequent_nobodies(source)


def misspelt_types(types: Mapping[str, int]) -> list[str]:
    """Warn about types that look like a misspelt word for one of ours; each has a number."""
    from sources.cells.event_types import similar_type

    return [
        f"the type {name!r} of {count(number, 'event')} is not one of ours; "
        f"if {meant} is meant, add --types '{name}={meant}'"
        for name, number in types.items()
        if (meant := similar_type(name))
    ]


def _rejected_words(source: Source) -> list[str]:
    """Warn about words for nobody that many rows have instead of an id."""
    from sources.cells.values import FOR_NOBODY

    num_rows = len(source.events) + len(source.rejects)
    remedy = (
        "if these are visitors without an account, name a column that distinguishes them, "
        "such as a session id"
    )
    return [
        f"{number:,} of {num_rows:,} rows were left out: {reason}; {remedy}"
        for reason, number in source.reasons().items()
        if FOR_NOBODY in reason and number >= _FREQUENT * num_rows
    ]


def _frequent_nobodies(source: Source) -> list[str]:
    """Warn about ids such as 0 and guest, which may be many visitors taken for one user."""
    counts = source.events.num_events_of(PERHAPS_NOBODY)
    return [
        f"{number:,} of {len(source.events):,} events are of user {user!r}; "
        "if that means everybody without an account, remove these rows"
        for user, number in counts.items()
        if number >= _FREQUENT * len(source.events) and len(source.events.user_ids) > 1
    ]
