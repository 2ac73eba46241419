"""The placements by name: those of the settings file, and those of the ledger before them."""

from __future__ import annotations

from collections.abc import Mapping

from cron.placement import Placement
from recommender.excerpt import excerpt
from recommender.wire import BadRequest

_NUM_SHOWN = 20  # names in a refusal


class NamedPlacements:
    """The placements of this gateway, for the event loop."""

    def __init__(self, of_settings: Mapping[str, Placement]) -> None:
        self._of_settings = dict(of_settings)

    def find(self, name: str) -> Placement:
        """Return a placement; raise BadRequest for an unknown name."""
        placement = self._of_settings.get(name)
        if placement is None:
            names = ", ".join(sorted(self._of_settings)[:_NUM_SHOWN])
            expected = f"one of {names}" if names else "no placement, since there are none"
            raise BadRequest("placement", found=excerpt(name), expected=expected)
        return placement
