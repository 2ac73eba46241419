"""The placements by name: those of the ledger override those of the settings file.

The ledger's are read twice a second. While it does not answer, the last known placements apply.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial

from cron.ledger import placement_rows, posterior_rows
from cron.ledger.ledger import Ledger
from cron.placement import Placement
from gateway.placements.posteriors import Posteriors
from recommender.records.excerpt import excerpt
from recommender.requests.wire import BadRequest

_NUM_SHOWN = 20  # names in a refusal


class NamedPlacements:
    """The placements of this gateway, and the posterior that some of them choose by.

    `find` is for the event loop; `refresh` blocks.
    """

    def __init__(self, of_settings: Mapping[str, Placement], ledger: Ledger) -> None:
        self.of_settings = dict(of_settings)
        self.ledger = ledger
        self.posteriors = Posteriors(partial(posterior_rows.newest, ledger))
        self.of_ledger: Mapping[str, Placement] = {}
        self._lock = threading.Lock()
        self._num_begun = 0  # reads of the ledger
        self._kept = 0  # the number of the read whose result is kept

    @property
    def by_name(self) -> dict[str, Placement]:
        """All placements."""
        return {**self.of_settings, **self.of_ledger}

    def find(self, name: str) -> Placement:
        """Return a placement; raise BadRequest for an unknown name."""
        placement = self.of_ledger.get(name) or self.of_settings.get(name)
        if placement is None:
            names = ", ".join(sorted(self.by_name)[:_NUM_SHOWN])
            expected = f"one of {names}" if names else "no placement, since there are none"
            raise BadRequest("placement", found=excerpt(name), expected=expected)
        return placement

    def refresh(self) -> None:
        """Read the ledger's placements; raise Unavailable or LedgerFailed, and keep the known."""
        with self._lock:
            self._num_begun += 1
            number = self._num_begun
        found = placement_rows.every(self.ledger)
        with self._lock:
            # a read that began earlier and ends later may have older placements
            if number > self._kept:
                self.of_ledger, self._kept = found, number

    def change(self, name: str, placement: Placement | None, *, by: str) -> None:
        """Write a placement, or delete it with None; it blocks."""
        placement_rows.change(self.ledger, name, placement, by=by)
        self.refresh()
