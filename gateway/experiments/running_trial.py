"""The candidate on trial, and which users get their lists from it.

It is read from the ledger twice a second; while that does not answer, the known one goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cron.trial import CANDIDATE, CONTROL, CandidateTrial
from gateway.experiments.running import ArmOfList


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedList:
    """A user's arm in the canary, and the version that makes their lists; None: the live one."""

    arm: ArmOfList
    version: int | None


class RunningTrial:
    """The trial of this gateway. `refresh` blocks; the rest is for the event loop."""

    def __init__(self, read: Callable[[], CandidateTrial | None]) -> None:
        self._read = read
        self._trial: CandidateTrial | None = None
        self._arms = dict[str, TriedList]()

    @property
    def trial(self) -> CandidateTrial | None:
        """The trial whose candidate may answer now."""
        return self._trial

    def refresh(self) -> None:
        """Read the trial; raise Unavailable or LedgerFailed, and keep the known one."""
        trial = self._read()
        if trial != self._trial:
            self._arms, self._trial = _arms_of(trial), trial

    def find(self, unit: str | None) -> TriedList | None:
        """Return a user's arm in the canary; None without an id, or without a canary."""
        trial = self._trial
        if trial is None or unit is None or trial.canary_share == 0:
            return None
        return self._arms.get(trial.arm_of(unit))  # none while another thread replaces them

    def version_for(self, unit: str | None) -> int | None:
        """Return the version that answers a user; None for the live one."""
        found = self.find(unit)
        return None if found is None else found.version


def _arms_of(trial: CandidateTrial | None) -> dict[str, TriedList]:
    if trial is None:
        return {}
    versions = {CONTROL: None, CANDIDATE: trial.version}
    return {
        arm.name: TriedList(
            arm=ArmOfList(experiment=trial.name, arm=arm), version=versions[arm.name]
        )
        for arm in trial.experiment.draft.arms
    }
