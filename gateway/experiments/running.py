"""The running experiments, and which of their arms a list is for.

They are read from the ledger twice a second; while it does not answer, the known ones go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cron.experiment import Experiment, ExperimentArm
from cron.placement import Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmOfList:
    """The experiment and the arm of a list."""

    experiment: str
    arm: ExperimentArm

    def lacks_placement(self, by_name: Mapping[str, Placement]) -> bool:
        """Return whether the arm's own placement was deleted."""
        return self.arm.placement is not None and self.arm.placement not in by_name


@dataclass(frozen=True, slots=True, kw_only=True)
class InterleavedArms:
    """The two arms of an experiment whose lists are interleaved for a user."""

    first: ArmOfList
    second: ArmOfList


class RunningExperiments:
    """The experiments of this gateway. `refresh` blocks; the rest is for the event loop."""

    def __init__(self, read: Callable[[], Sequence[Experiment]]) -> None:
        self._read = read
        self._running: tuple[Experiment, ...] = ()
        self._placed: dict[tuple[str, str], tuple[Placement | None, Placement]] = {}

    def refresh(self) -> None:
        """Read the running experiments; raise Unavailable or LedgerFailed, and keep the known."""
        self._running = tuple(self._read())

    def find(
        self, unit: str | None, placement: str | None, at: datetime
    ) -> ArmOfList | InterleavedArms | None:
        """Return what a list for a visitor is part of.

        None without an id, or outside all experiments. `unit` is the id of a user or a session.
        """
        if unit is None:
            return None
        for experiment in self._running:
            if experiment.draft.placement not in (None, placement):
                continue
            found = [
                ArmOfList(experiment=experiment.name, arm=arm)
                for arm in experiment.arms_of(unit, at)
            ]
            if len(found) == 2:
                return InterleavedArms(first=found[0], second=found[1])
            if found:
                return found[0]
        return None

    def placement_in(
        self, found: ArmOfList, placement: Placement | None, by_name: Mapping[str, Placement]
    ) -> Placement | None:
        """Return the placement with the rules of an arm.

        A placement of an arm that was deleted meanwhile is that of the list.
        """
        arm = found.arm
        base = by_name.get(arm.placement, placement) if arm.placement is not None else placement
        if not arm.rules:
            return base
        key = found.experiment, arm.name
        known = self._placed.get(key)
        if known is None or known[0] is not base:
            self._placed[key] = known = base, arm.apply(base)
        return known[1]
