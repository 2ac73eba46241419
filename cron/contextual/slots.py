"""Which actions a slot may take, so that every later slot still finds one.

Each action is for one slot at most. The slots start with their baseline actions. Whoever takes
another slot's action must leave that slot a way out: an augmenting path in the graph of slots and
the actions that they allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet


class SlotPlan:
    """An action for every slot that is still to be filled. Slots are filled in their order."""

    def __init__(self, allowed: Sequence[AbstractSet[int]], baselines: Sequence[int]) -> None:
        """`allowed` are the places of the actions of each slot; baselines are all different."""
        self._allowed = allowed
        self._planned = dict(enumerate(baselines))  # by slot
        self._taken: set[int] = set()
        self._next = 0

    def choices(self) -> frozenset[int]:
        """Return the actions that the next slot may take; its planned one is among them."""
        free = self._allowed[self._next] - self._taken
        return frozenset(action for action in free if self._plan_with(action) is not None)

    def take(self, action: int) -> None:
        """Fill the next slot with one of its choices."""
        plan = self._plan_with(action)
        assert plan is not None
        self._planned = plan
        self._taken.add(action)
        self._next += 1

    def _plan_with(self, action: int) -> dict[int, int] | None:
        """Return a plan of the later slots without an action; None when there is none."""
        plan = {slot: taken for slot, taken in self._planned.items() if slot > self._next}
        owner = next((slot for slot, taken in plan.items() if taken == action), None)
        if owner is None:
            return plan
        del plan[owner]
        owners = {taken: slot for slot, taken in plan.items()}
        seen = self._taken | {action}
        return plan if self._find(owner, owners, plan, seen) else None

    def _find(
        self, slot: int, owners: dict[int, int], plan: dict[int, int], seen: set[int]
    ) -> bool:
        """Give a slot an action that is free, or whose owner finds another one."""
        for action in sorted(self._allowed[slot] - seen):
            seen.add(action)
            if action not in owners or self._find(owners[action], owners, plan, seen):
                plan[slot], owners[action] = action, slot
                return True
        return False
