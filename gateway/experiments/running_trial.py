"""The candidate on trial, and which users get their lists from it.

It is read from the ledger twice a second; while that does not answer, the known one goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cron.trial import CANDIDATE, CandidateTrial
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

    @property
    def trial(self) -> CandidateTrial | None:
        """The trial whose candidate may answer now."""
        return self._trial

    def refresh(self) -> None:
        """Read the trial; raise Unavailable or LedgerFailed, and keep the known one."""
        self._trial = self._read()

    def find(self, unit: str | None) -> TriedList | None:
        """Return a user's arm in the canary; None without an id, or without a canary."""
        trial = self._trial
        if trial is None or unit is None:
            return None
        arm = trial.arm_of(unit)
        if arm is None:
            return None
        version = trial.version if arm.name == CANDIDATE else None
        return TriedList(arm=ArmOfList(experiment=trial.name, arm=arm), version=version)

    def version_for(self, unit: str | None) -> int | None:
        """Return the version that answers a user; None for the live one."""
        found = self.find(unit)
        return None if found is None else found.version
