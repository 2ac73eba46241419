"""Slates with their rewards, and what a model says a target policy thinks of them.

The gateway and the trainer ask a model the same question, `propensities_of` with `alternatives`,
and their answers have one form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardedSlate:
    """A slate with the reward of each item. A pinned item has no propensity."""

    user_id: str
    at: datetime
    version: int | None
    items: tuple[str, ...]
    propensities: tuple[float | None, ...]
    rewards: tuple[float, ...]
    placement: str | None = None

    @property
    def chosen_items(self) -> tuple[str, ...]:
        """The items that a policy chose: those that are not pinned."""
        pairs = zip(self.items, self.propensities, strict=True)
        return tuple(item_id for item_id, propensity in pairs if propensity is not None)


class LikelyItem(msgspec.Struct, frozen=True, kw_only=True):
    """An item that the target policy might have chosen for a place."""

    id: str
    score: float
    propensity: float


class ListChances(msgspec.Struct, frozen=True, kw_only=True):
    """The answer about a list: the propensity of each item, and the likeliest at each place.

    None stands for an item that the placement pins.
    """

    policy: str
    propensities: tuple[float | None, ...]
    alternatives: tuple[tuple[LikelyItem, ...] | None, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSlate:
    """A slate with the propensities of the target policy; those of pinned items are None.

    `version` is the release that answered. `alternatives` are empty for pinned items, and where
    none were asked for.
    """

    slate: RewardedSlate
    policy: str
    propensities: tuple[float | None, ...]
    version: int | None = None
    alternatives: tuple[tuple[LikelyItem, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAnswered:
    """A slate without propensities of the target policy, and why."""

    reason: str


def list_chances(answer: Mapping[str, object] | str) -> ListChances:
    """Parse the answer to a question for propensities; raise ValueError for another form."""
    try:
        if isinstance(answer, str):
            return msgspec.json.decode(answer, type=ListChances)
        return msgspec.convert(answer, ListChances)
    except msgspec.ValidationError as error:
        raise ValueError(f"not an answer about a list: {error}") from error


def target_slate(
    slate: RewardedSlate, chances: ListChances, *, version: int | None = None
) -> TargetSlate | NotAnswered:
    """Put the answer about the chosen items of a slate in their places."""
    if None in chances.propensities:
        return NotAnswered(reason="the placement now pins an item that a policy chose then")
    left = iter(chances.propensities)
    likely: Iterator[tuple[LikelyItem, ...] | None] = iter(chances.alternatives or ())
    propensities, alternatives = list[float | None](), list[tuple[LikelyItem, ...]]()
    for logged in slate.propensities:
        propensities.append(None if logged is None else next(left))
        found = None if logged is None else next(likely, None)
        alternatives.append(found or ())
    return TargetSlate(
        slate=slate,
        policy=chances.policy,
        propensities=tuple(propensities),
        version=version,
        alternatives=tuple(alternatives),
    )


def first_places(targets: Sequence[TargetSlate], num: int) -> list[TargetSlate]:
    """Return the slates cut after their first places: what those alone earn."""
    return [
        replace(
            one,
            slate=replace(
                one.slate,
                items=one.slate.items[:num],
                propensities=one.slate.propensities[:num],
                rewards=one.slate.rewards[:num],
            ),
            propensities=one.propensities[:num],
            alternatives=one.alternatives[:num],
        )
        for one in targets
    ]
