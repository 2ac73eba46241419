"""Desired state (the ledger) against actual state (the server): brings back what a restart lost, and notices a person's hand.

A restarted or emptied server gets the live version first, so that it is the default at once, then the rollback candidates. A default
that differs while the live version is still registered was set by a person: it is recorded as a rollback, and never flipped back.
Knows nothing of how releases are made.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from cron import release, switches
from cron.errors import ArtifactMissing, ServerRefused
from cron.lineage import Release, Serving
from cron.parts import Parts
from cron.ports import ServerVersion

log = logging.getLogger(__name__)

_CUT_OFF_S = 10.0  # a switch takes milliseconds; one begun longer ago has lost its process
_RETRY_S = 30.0  # a candidate that would not load is tried again then
_PATIENCE = 3  # tries before a live version that the server refuses is given up for the previous good one


class Reconciler:
    """Compares at each `tick`. `monotonic` is its clock."""

    def __init__(self, parts: Parts, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._parts = parts
        self._monotonic = monotonic
        self._started = False
        self._pending: tuple[int, float] | None = None  # epoch of a switch, and when it was first seen
        self._retry_at: dict[int, float] = {}
        self._refusals = 0

    def tick(self) -> None:
        """Compare once and mend at most one thing; Unavailable when the server does not answer.

        The first tick also ends a switch that an earlier process began.
        """
        parts = self._parts
        if not parts.serving_lock.acquire(blocking=False):
            return  # the cycle is at the server; what it does will be seen at the next tick
        try:
            if not self._started:
                release.finish_switch(parts.ledger, parts.server, artifacts=lambda: parts.artifacts)
                self._started = True
            serving = parts.ledger.serving()
            if serving.switch is not None:
                self._watch_switch(serving.switch.epoch)
                return
            self._pending = None
            if serving.live is not None:
                self._compare(serving, serving.live)
        finally:
            parts.serving_lock.release()

    def _compare(self, serving: Serving, live: int) -> None:
        registered = self._parts.server.versions()
        if all(found.version != live for found in registered):
            self._restore()
            return
        default = self._parts.server.live()
        if default is not None and default != live:
            self._persons_hand(serving, live, default)
        else:
            self._load_one_candidate(registered)

    def _persons_hand(self, serving: Serving, live: int, default: int) -> None:
        ledger = self._parts.ledger
        if not ledger.is_release(default):
            if ledger.serving() == serving:
                ledger.pause(f"version {default}, which was never released, was made the default on the server")
            return
        reason = f"rolled back from version {live} to {default} on the server itself"
        if switches.record_rollback(ledger, default, expected=live, epoch=serving.epoch, reason=reason):
            log.warning("a person changed the live version on the server", extra={"from_version": live, "to_version": default})

    def _restore(self) -> None:
        try:
            restore_live(self._parts, gives_up=self._refusals + 1 >= _PATIENCE)
            self._refusals = 0
        except ServerRefused:
            self._refusals += 1
            log.exception("the live version could not be loaded", extra={"refusals": self._refusals})

    def _watch_switch(self, epoch: int) -> None:
        now = self._monotonic()
        if self._pending is None or self._pending[0] != epoch:
            self._pending = (epoch, now)
        elif now - self._pending[1] >= _CUT_OFF_S:
            release.finish_switch(self._parts.ledger, self._parts.server, artifacts=lambda: self._parts.artifacts)

    def _load_one_candidate(self, registered: tuple[ServerVersion, ...]) -> None:
        """Register the first rollback candidate that is missing."""
        there = {found.version for found in registered}
        for candidate in kept_loaded(self._parts):
            if candidate.version in there or self._retry_at.get(candidate.version, 0.0) > self._monotonic():
                continue
            self._retry_at[candidate.version] = self._monotonic() + _RETRY_S
            try:
                _register(self._parts, candidate)
            except (ServerRefused, ArtifactMissing) as error:
                log.warning("a rollback candidate could not be loaded", extra={"version": candidate.version, "why": str(error)})
            return


def kept_loaded(parts: Parts) -> tuple[Release, ...]:
    """Return the releases that stay registered: the live one, then the latest rollback candidates."""
    live = parts.ledger.live()
    if live is None:
        return ()
    return (live, *parts.ledger.rollback_candidates()[: max(0, parts.settings.release.keep_registered - 1)])


def restore_live(parts: Parts, *, gives_up: bool = False) -> None:
    """Register the live version when the server has lost it, and make it the default.

    When its archive is gone, or `gives_up` and the server refuses it, the previous good release stands in and becomes the live one.
    Raise ServerRefused when the server takes none.
    """
    live = parts.ledger.live()
    if live is None or any(found.version == live.version for found in parts.server.versions()):
        return
    refused: ServerRefused | None = None
    for target in (live, *parts.ledger.rollback_candidates()):
        try:
            if not _stand_in(parts, target, live.version):
                return
            log.info("restored the live version", extra={"version": target.version, "was": live.version})
            return
        except ArtifactMissing as error:
            log.error("the archive of a release is missing; trying the one before", extra={"version": target.version, "why": str(error)})
            parts.ledger.count("missing_archives")
        except ServerRefused as error:
            refused = error
            if not gives_up:
                raise
    raise refused or ServerRefused(live.version, status=404, message="no archive of any release is left; restore archives/ from a backup")


def _stand_in(parts: Parts, target: Release, live: int) -> bool:
    """Load a release and make it the default and the live one; False when a person was faster."""
    begun = switches.begin_restore(parts.ledger, target.version, expected=live)
    if begun is None:
        return False
    try:
        _register(parts, target)
    except (ServerRefused, ArtifactMissing):
        switches.cancel(parts.ledger, begun)
        raise
    release.finish_switch(parts.ledger, parts.server)
    return True


def _register(parts: Parts, target: Release) -> None:
    parts.server.register(target.version, parts.artifacts.url(target.manifest.archive))
