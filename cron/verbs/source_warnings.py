"""What to say of a data set that can be read, and yet may not be what its owner thinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recommender.nobody import PERHAPS_NOBODY

if TYPE_CHECKING:  # pandas, which only reading needs
    from sources.source import Source

_FREQUENT = 0.01  # of all rows; a few odd rows are no warning


def warnings_of(source: Source) -> list[str]:
    """Return one sentence for each thing that is worth a look."""
    warnings = list(source.warnings)
    if not source.is_linked():
        unlinked = f"no event is about any of the {source.num_items:,} items of {source.items_file}"
        warnings.append(f"{unlinked}; are their ids written alike?")
    return warnings + _rejected_words(source) + _frequent_nobodies(source)


def _rejected_words(source: Source) -> list[str]:
    """Warn about words for nobody that many rows have in place of an id."""
    from sources.cells.values import FOR_NOBODY

    num_rows = len(source.events) + len(source.rejects)
    remedy = "if these rows have visitors without an account, name a column that tells them apart, such as a session's id"
    return [
        f"{number:,} of {num_rows:,} rows were left out: {reason}; {remedy}"
        for reason, number in source.reasons().items()
        if FOR_NOBODY in reason and number >= _FREQUENT * num_rows
    ]


def _frequent_nobodies(source: Source) -> list[str]:
    """Warn about ids such as 0 and guest, which may be everybody without an account, taken for one user."""
    counts = source.events.num_events_of(PERHAPS_NOBODY)
    return [
        f"{number:,} of {len(source.events):,} events are of user {user!r}; if that is everybody without an account, leave these rows out"
        for user, number in counts.items()
        if number >= _FREQUENT * len(source.events) and len(source.events.user_ids) > 1
    ]
