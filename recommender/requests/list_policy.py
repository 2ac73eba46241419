"""Policies that choose the items of a list: their types and limits.

`recommender.requests.policy_fields` reads them and `recommender.policies` draws with them. A
temperature is in spreads of the list, as a boost's `add` is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from recommender.requests.reward_evidence import PosteriorReference

PolicyName = Literal["greedy", "epsilon", "plackett_luce", "thompson", "ucb"]

_STRENGTHS: Mapping[PolicyName, str | None] = {
    "greedy": None,
    "epsilon": "epsilon",
    "plackett_luce": "temperature",
    "thompson": None,
    "ucb": "width",
}
_LEARNING: frozenset[PolicyName] = frozenset({"thompson", "ucb"})
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.001, 1_000.0
MAX_WIDTH = 100.0
MAX_NEW_IDS = 1_000
MAX_DOUBT = 100.0
MAX_SEED = 2**53 - 1  # every JSON reader keeps whole numbers up to here


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItemsShare:
    """In each slot, with probability `share`, one of the new items `ids` may be chosen.

    Without `doubts` one of them always is. They are the standard deviations of what the items may
    be worth, in spreads of the list: then an item is chosen only where a draw of it is worth more
    than what it displaces.
    """

    share: float
    ids: tuple[str, ...]
    doubts: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPolicy:
    """How the items of a list are chosen, slot by slot. `seed` is there if chance decides.

    `epsilon` is read by the policy of that name, `temperature` by `plackett_luce`, `width` by
    `ucb`. `thompson` and `ucb` need a posterior.
    """

    name: PolicyName
    epsilon: float = 0.0
    temperature: float = 1.0
    width: float = 1.0
    posterior: PosteriorReference | None = None
    seed: int | None = None
    new_items: NewItemsShare | None = None

    @property
    def explores(self) -> bool:
        """Whether chance decides what is in the list."""
        return self.name != "greedy" or self.new_items is not None


def strength_of(name: PolicyName) -> str | None:
    """Return the field that says how strongly a policy explores; None if it has none."""
    return _STRENGTHS[name]


def learns_from_rewards(name: PolicyName) -> bool:
    """Return whether a policy chooses by the posterior of the items' rewards."""
    return name in _LEARNING
