"""What a person decides about what is live: roll back, promote, pause, resume, end a trial.

The command line and the gateway make the same decisions here. Who made each, and why, is stored in
the ledger.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cron.errors import FreshetError, Held, SwitchPending
from cron.ledger import decision_rows, holds, switches, trial_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Action, Hold, Range
from cron.ports import ArtifactStore, ModelServer
from cron.serving import release
from cron.trial import TrialVerdict

TrialAction = Literal["promote_trial", "stop_trial"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who decides, and why."""

    by: str
    why: str | None = None


class Decisions:
    """Carries decisions out. The server and the store are opened when a decision needs them."""

    def __init__(
        self,
        ledger: Ledger,
        open_server: Callable[[], ModelServer],
        open_artifacts: Callable[[], ArtifactStore],
    ) -> None:
        self.ledger = ledger
        self._open_server = open_server
        self._open_artifacts = open_artifacts

    def roll_back(
        self,
        version: int | None,
        person: Person,
        *,
        asked_at: datetime,
        seen_live: int | None = None,
    ) -> release.RolledBack:
        """Make a release live, by default the previous good one, and pause publishing.

        Raise what `cron.serving.release.rollback` raises.
        """
        by = person.by if person.why is None else f"{person.by}: {person.why}"
        try:
            done = release.rollback(
                self.ledger,
                self._open_server(),
                version,
                by=by,
                artifacts=self._open_artifacts,
                seen=switches.Seen(at=asked_at, live=seen_live),
            )
        except SwitchPending as pending:
            self._record("rollback", person, pending.version)
            raise
        self._record("rollback", person, done.version)
        return done

    def promote(self, version: int, person: Person, *, seen_live: int | None = None) -> None:
        """Make a release live that was live before; a hold stays.

        Raise what `cron.serving.release.promote` raises.
        """
        try:
            release.promote(
                self.ledger,
                self._open_server(),
                version,
                artifacts=self._open_artifacts,
                seen_live=seen_live,
            )
        except SwitchPending:
            self._record("promote", person, version)
            raise
        self._record("promote", person, version)

    def end_trial(self, action: TrialAction, person: Person, *, seen: int | None = None) -> int:
        """Ask the worker to end the running trial, and return its version.

        Raise NoTrial, or Held for a promotion while publishing is paused: the trial is dropped.

        A stopped candidate answers nobody from now on; a promoted one is live after the worker's
        next turn.
        """
        hold = holds.current(self.ledger)
        if action == "promote_trial" and hold is not None:
            raise Held(reason=hold.reason)
        verdict: TrialVerdict = "promoted" if action == "promote_trial" else "taken_back"
        done = "promoted" if action == "promote_trial" else "taken back"
        why = f"{done} by {person.by}"
        if person.why is not None:
            why += f": {person.why}"
        trial = trial_rows.ask_to_end(self.ledger, verdict, why, seen=seen)
        self._record(action, person, trial.version)
        return trial.version

    def pause(self, person: Person) -> Hold:
        """Pause publishing; an earlier hold and its reason stay."""
        hold = holds.pause(self.ledger, person.why or f"paused by {person.by}")
        self._record("pause", person)
        return hold

    def resume(self, exclude: Sequence[Range], person: Person) -> bool:
        """Continue publishing, never training on `exclude`; return whether it was paused."""
        was_paused = holds.current(self.ledger) is not None
        holds.resume(self.ledger, exclude=exclude)
        self._record("resume", person)
        return was_paused

    def _record(self, action: Action, person: Person, version: int | None = None) -> None:
        """Record a decision that is carried out: an error must not make the caller repeat it."""
        try:
            decision_rows.add(self.ledger, action, version=version, by=person.by, why=person.why)
        except FreshetError as error:
            log.error("%s by %s was carried out and not recorded: %s", action, person.by, error)
