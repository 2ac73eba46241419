"""Groups of histories of like lengths, since a pass pads each to the longest of its group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

# A pass takes as long before its first history as this many events of padding (docs/log.md).
EVENTS_OF_A_PASS = 250


def groups_of_like_lengths(lengths: Sequence[int], at_once: int) -> Iterator[list[int]]:
    """Yield the indices of histories in groups of at most `at_once`.

    Few histories, or histories that are all about as long, are one group in the given order.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for start in range(0, len(order), at_once):
        yield from _divide(order[start : start + at_once], lengths)


def _divide(order: list[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the histories, shortest first, divided where it saves most, as long as it pays."""
    longest = lengths[order[-1]]
    saved = [number * (longest - lengths[last]) for number, last in enumerate(order, 1)]
    most = max(saved)
    if most < EVENTS_OF_A_PASS:
        yield sorted(order)
        return
    cut = saved.index(most) + 1
    yield from _divide(order[:cut], lengths)
    yield from _divide(order[cut:], lengths)
