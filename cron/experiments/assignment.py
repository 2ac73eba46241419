"""Which arm a user is in: a salted hash, which every gateway computes alike.

A layer is the line from 0 to 1. Each experiment of the layer has a range of it, and ranges do not
overlap, so a user takes part in at most one experiment of a layer. A user's place on the line is
a hash of the layer and the user; the arm is another hash, of the experiment and the user. So users
are mixed again in each experiment, and a ramp that widens the range moves nobody to another arm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRange:
    """The part of a layer from `begin` on that an experiment has reserved."""

    begin: float
    share: float

    @property
    def end(self) -> float:
        """Where the range ends, exclusive."""
        return self.begin + self.share


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """From `started_at` the served share grows evenly, and is whole after `length_s` seconds."""

    started_at: datetime
    length_s: float = 0.0

    def part(self, at: datetime) -> float:
        """Return which part of the share is served at a time, from 0 to 1."""
        age_s = (at - self.started_at).total_seconds()
        if age_s < 0:
            return 0.0
        return 1.0 if age_s >= self.length_s else age_s / self.length_s


def unit_place(salt: str, unit: str) -> float:
    """Return a unit's place from 0 to 1 (exclusive); units are evenly spread for every salt."""
    digest = hashlib.blake2b(
        unit.encode("utf-8", "surrogatepass"),
        digest_size=8,
        key=hashlib.sha256(salt.encode("utf-8", "surrogatepass")).digest(),
    ).digest()
    # 53 bits, which a float holds exactly
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def is_in_range(layer: str, unit: str, reserved: LayerRange, *, part: float = 1.0) -> bool:
    """Return whether a unit is in the served part of a range of a layer."""
    place = unit_place(f"layer {layer}", unit)
    return reserved.begin <= place < reserved.begin + part * reserved.share


def chosen_arm(experiment: str, unit: str, shares: Sequence[float]) -> int:
    """Return the row of a unit's arm; `shares` are the arms' and sum to 1."""
    place = unit_place(f"experiment {experiment}", unit)
    end = 0.0
    for row, share in enumerate(shares):
        end += share
        if place < end:
            return row
    return len(shares) - 1  # where rounding leaves the sum below 1


def free_range(taken: Iterable[LayerRange], share: float) -> LayerRange | None:
    """Return the first range of a layer that has room for a share; None for no room."""
    begin = 0.0
    for one in sorted(taken, key=lambda one: one.begin):
        if begin + share <= one.begin + _ROUNDING:
            break
        begin = max(begin, one.end)
    return LayerRange(begin=begin, share=share) if begin + share <= 1 + _ROUNDING else None


_ROUNDING = 1e-9  # of sums of shares such as .1 + .2
