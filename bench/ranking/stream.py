"""The stream: one global timeline, cut into a base and the windows after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.data.sets import RatingsSet
from bench.data.snapshots import Flags
from cron.settings.tree import GateSettings
from cron.snapshot.panel import Panel

BASE_SHARE = 0.5  # the share of the stream that the base is trained on


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The timeline: `base` events, then windows with `bounds`.

    `panel_E` marks the events of the users on whom the gate judges.
    """

    data: RatingsSet
    base: int
    bounds: tuple[int, ...]
    panel_E: Flags

    @property
    def windows(self) -> list[tuple[int, int]]:
        """The first place of each window, and the place after its last one."""
        return list(zip(self.bounds[:-1], self.bounds[1:], strict=True))

    def between(self, first: int, last: int) -> Flags:
        """Mark the events from place `first` up to, but not including, place `last`."""
        places_E = np.arange(len(self.data.users_E))
        marked: Flags = (places_E >= first) & (places_E < last)
        return marked


def stream_of(data: RatingsSet, num_windows: int, *, base_share: float = BASE_SHARE) -> Stream:
    """Cut the events after the base into windows of equal size.

    The panel is chosen on the base as the product chooses it.
    """
    num = len(data.users_E)
    base = int(base_share * num)
    bounds = tuple(int(bound) for bound in np.linspace(base, num, num_windows + 1).round())
    gate = GateSettings()
    for percent in range(round(100 * gate.min_panel_share), round(100 * gate.max_panel_share) + 1):
        of_panel = np.array(
            [Panel(share=percent / 100).holds(f"u{user}") for user in range(data.num_users)]
        )
        panel_E: Flags = of_panel[data.users_E]
        if len(np.unique(data.users_E[:base][panel_E[:base]])) >= gate.min_users:
            break
    return Stream(data=data, base=base, bounds=bounds, panel_E=panel_E)


def full_windows(num_windows: int, num_fulls: int) -> frozenset[int]:
    """Return the windows before which there is a full retrain, evenly spaced.

    The first window is never one of them, since the base has learned everything before it.
    """
    return frozenset(
        int(window) for window in np.linspace(0, num_windows - 1, num_fulls + 1).round()[1:]
    )


def takeovers(num_windows: int, fulls: frozenset[int]) -> frozenset[int]:
    """Return the windows before which a full retrain takes over from `rolling`'s updates.

    They are the full retrains nearest to one third and two thirds of the stream.
    """
    thirds = np.linspace(0, num_windows - 1, 4)[1:3] if fulls else ()
    return frozenset(min(sorted(fulls), key=lambda window: abs(window - third)) for third in thirds)
