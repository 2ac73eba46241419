"""A slice of a data set's events in time order, given as FROM:TO with shares from 0 to 1."""

from __future__ import annotations

import argparse
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineSlice:
    """The events from one share to another, in time order.

    Neighbouring slices such as 0:0.8 and 0.8:1 have no event in common and leave none out.
    """

    first: float = 0.0
    last: float = 1.0

    def bounds(self, num_events: int) -> tuple[int, int]:
        """Return the index of the first event and the index after the last."""
        return round(self.first * num_events), round(self.last * num_events)

    def __str__(self) -> str:
        return f"{self.first:g}:{self.last:g}"


def parse_slice(text: str) -> TimelineSlice:
    """Parse FROM:TO; argparse turns the error into a usage message."""
    first, _, last = text.partition(":")
    try:
        chosen = TimelineSlice(first=float(first), last=float(last))
    except ValueError:
        chosen = TimelineSlice(first=1.0, last=0.0)
    if not 0 <= chosen.first < chosen.last <= 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a valid part; expected FROM:TO with shares from 0 to 1, such as 0:0.8"
        )
    return chosen
