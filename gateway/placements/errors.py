"""Why a call about a placement is refused."""

from __future__ import annotations

from recommender.records.excerpt import excerpt


class UnknownPlacement(LookupError):
    """No placement has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"name: found {excerpt(name)}, expected the name of a placement")


class PlacementInSettings(Exception):
    """A placement of the settings file, which the API cannot delete."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the placement {excerpt(name)} is in the settings file; remove [placements.{name}] "
            "there, or write one with the same name, which overrides it"
        )
