"""Every slot gets an action of its own, whatever the slots before it took."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from cron.contextual.slots import SlotPlan


@st.composite
def slots(draw: st.DrawFn) -> tuple[list[set[int]], list[int]]:
    """Return up to four slots over up to five actions, with different baselines."""
    num_actions = draw(st.integers(1, 5))
    num_slots = draw(st.integers(1, min(4, num_actions)))
    baselines = draw(st.permutations(range(num_actions)))[:num_slots]
    more = st.sets(st.integers(0, num_actions - 1))
    return [{baseline} | draw(more) for baseline in baselines], list(baselines)


@given(slots(), st.data())
def test_choices_are_those_that_leave_every_slot_one(
    found: tuple[list[set[int]], list[int]], data: st.DataObject
) -> None:
    allowed, baselines = found
    plan = SlotPlan(allowed, baselines)
    taken: list[int] = []
    for _ in allowed:
        choices = plan.choices()
        assert choices == possible(allowed, taken)
        action = data.draw(st.sampled_from(sorted(choices)))
        plan.take(action)
        taken.append(action)


def possible(allowed: list[set[int]], taken: list[int]) -> set[int]:
    """Return the next actions of all ways to fill the slots that begin with these."""
    actions = sorted(set().union(*allowed))
    return {
        way[len(taken)]
        for way in permutations(actions, len(allowed))
        if list(way[: len(taken)]) == taken
        and all(action in of_slot for action, of_slot in zip(way, allowed, strict=True))
    }
