"""Compare the server with the ledger: restore what it lost, record what a person changed.

A restarted or emptied server gets the live version first, so that it is the default at once, then
the side versions and the rollback candidates. With one node, a default that differs while the live
version is still registered was set by a person: it is recorded as a rollback, or as a promotion
when it is newer, and never reverted. With several nodes the ledger decides: each node that answers
is brought to that state.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from cron.errors import NoRoom, ServerRefused, StoreError, Unavailable
from cron.ledger import holds, metric_rows, release_rows, switches
from cron.lineage import Serving, Switch, SwitchKind
from cron.ports import ModelServer
from cron.server_versions import ServerVersion
from cron.services import Services
from cron.serving import release
from cron.serving.restore import (
    check_room,
    load,
    loaded_beside,
    reload,
    reload_live,
    restore,
)

log = logging.getLogger(__name__)

# a switch to a loaded version takes milliseconds; the process of an older one has died
_CUT_OFF_S = 10.0
_RETRY_S = 30.0  # until a version that failed to load is tried again
# tries, one per look, before the previous good release replaces a live version that the server
# refuses
_PATIENCE = 3
_LOST_S = 30.0  # TorchServe brings a killed worker back within seconds, or not at all

Refusal = Unavailable | ServerRefused
Found = Mapping[str, tuple[ServerVersion, ...]]  # the versions on each node that answers


class Reconciler:
    """Compares server and ledger at each `tick`. `monotonic` is its clock."""

    def __init__(
        self, services: Services, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._services = services
        self._monotonic = monotonic
        self._started = False
        # epoch of a switch under way, and when it was first seen
        self._pending: tuple[int, float] | None = None
        self._retry_at: dict[tuple[str, int], float] = {}  # by node and version
        # by node: since when the live version has had no READY worker there
        self._unready_since: dict[str, float] = {}
        self._refusals = 0
        # epoch and default at the last look, when that default was not the live version
        self._odd: tuple[int, int] | None = None
        self._away: frozenset[str] | None = None

    def tick(self) -> None:
        """Compare once and repair at most one thing per node.

        Raise Unavailable when no node answers. The first tick also finishes a switch that an
        earlier process began, unless a person may be loading its version now.
        """
        services = self._services
        if not services.serving_lock.acquire(blocking=False):
            return  # the cycle is changing the server; the next tick sees the result
        try:
            found = self._look()
            switch = switches.under_way(services.ledger)
            if switch is not None and self._is_cut_off(switch, found):
                release.finish_switch(
                    services.ledger, services.server, artifacts=lambda: services.artifacts
                )
            self._started = True
            serving = switches.serving(services.ledger)
            if serving.switch is None and serving.live is not None:
                self._compare(serving, serving.live, found)
        finally:
            services.serving_lock.release()

    def _look(self) -> Found:
        """Return each node's versions and record which nodes are away; raise when all are."""
        found: dict[str, tuple[ServerVersion, ...]] = {}
        away: dict[str, Refusal] = {}
        for name, node in self._services.server.nodes().items():
            try:
                found[name] = node.versions()
            except (Unavailable, ServerRefused) as error:  # refused: for example a wrong key
                away[name] = error
        if self._away != frozenset(away):
            self._record_away(away)
            self._away = frozenset(away)
        if not found:
            raise next(iter(away.values()))
        return found

    def _record_away(self, away: Mapping[str, Refusal]) -> None:
        for number, name in enumerate(self._services.server.nodes(), start=1):
            metric_rows.set_gauge(self._services.ledger, f"node_{number}_away", float(name in away))
            if name in away:
                log.warning("a node is away", extra={"node": name, "why": str(away[name])})
            elif self._away and name in self._away:
                log.info("a node is back", extra={"node": name})
        metric_rows.set_gauge(self._services.ledger, "nodes_away", float(len(away)))

    def _compare(self, serving: Serving, live: int, found: Found) -> None:
        there = {
            name: one for name, versions in found.items() for one in versions if one.version == live
        }
        if not there:
            self._restore(live)
            return
        lost = [name for name, one in there.items() if self._is_lost(name, one)]
        if len(lost) == len(there):
            self._reload(live, found)
        elif len(self._services.server.nodes()) > 1:
            for name, versions in found.items():
                self._repair_node(name, versions, live, is_lost=name in lost)
        else:
            self._watch_default(serving, live, next(iter(found.values())))

    def _is_lost(self, name: str, live: ServerVersion) -> bool:
        """Return whether the live version has had no READY worker for `_LOST_S`."""
        if live.ready:
            self._unready_since.pop(name, None)
            return False
        now = self._monotonic()
        return now - self._unready_since.setdefault(name, now) >= _LOST_S

    def _watch_default(
        self, serving: Serving, live: int, versions: tuple[ServerVersion, ...]
    ) -> None:
        default = self._services.server.live()
        if default is not None and default != live:
            # Only when seen twice: a worker that was paused during a switch sets a stale default
            # when it resumes, and corrects it within milliseconds.
            if self._odd == (serving.epoch, default):
                self._record_by_hand(serving, live, default)
            self._odd = (serving.epoch, default)
        else:
            self._odd = None
            (name,) = self._services.server.nodes()
            self._load_one_candidate(name, versions)

    def _record_by_hand(self, serving: Serving, live: int, default: int) -> None:
        ledger = self._services.ledger
        if not release_rows.is_release(ledger, default):
            if switches.serving(ledger) == serving:
                reason = (
                    f"the server's default was set to version {default}, which is not a release"
                )
                holds.pause(ledger, reason)
            return
        kind: SwitchKind = "promote" if default > live else "rollback"
        did = "promoted" if kind == "promote" else "rolled back"
        reason = f"{did} from version {live} to {default} on the server itself"
        if switches.record_by_hand(
            ledger, default, kind, expected=live, epoch=serving.epoch, reason=reason
        ):
            log.warning(
                "a person changed the live version on the server",
                extra={"from_version": live, "to_version": default},
            )

    def _restore(self, live: int) -> None:
        if self._refusals >= _PATIENCE and not self._may_try("", live):
            return
        try:
            restore(self._services, gives_up=self._refusals + 1 >= _PATIENCE)
            self._refusals = 0
        except ServerRefused as error:
            self._refusals += 1
            log.error(
                "the live version could not be loaded",
                extra={"refusals": self._refusals, "why": str(error)},
            )

    def _reload(self, live: int, found: Found) -> None:
        if not self._may_try("", live):
            return
        try:
            reload_live(self._services, found)
            self._unready_since.clear()
        except (ServerRefused, StoreError):
            log.exception(
                "the live version has lost its workers and could not be reloaded",
                extra={"version": live},
            )

    def _repair_node(
        self, name: str, versions: tuple[ServerVersion, ...], live: int, *, is_lost: bool
    ) -> None:
        """Bring one of several nodes to the ledger's state.

        It gets the live version first, then that as its default, then one more.
        """
        node = self._services.server.nodes()[name]
        try:
            if is_lost or all(found.version != live for found in versions):
                self._load_live(name, node, live)
            elif any(found.version == live and found.ready for found in versions):
                if node.live() != live:
                    node.set_live(live)
                self._load_one_candidate(name, versions)
        except Unavailable as error:  # the next look sees it too, unless it is the artifact store
            log.warning("a node was not repaired", extra={"node": name, "why": str(error)})
        except ServerRefused as error:
            log.warning("a node refused its default", extra={"node": name, "why": str(error)})

    def _load_live(self, name: str, node: ModelServer, live: int) -> None:
        if not self._may_try(name, live):
            return
        try:
            reload(self._services, node, release_rows.release(self._services.ledger, live))
            self._retry_at.pop((name, live), None)
            log.info("a node has the live version again", extra={"node": name, "version": live})
        except (ServerRefused, StoreError) as error:
            log.error(
                "a node could not load the live version",
                extra={"node": name, "version": live, "why": str(error)},
            )

    def _is_cut_off(self, switch: Switch, found: Found) -> bool:
        """Return whether the process that began a switch has died."""
        now = self._monotonic()
        if self._pending is None or self._pending[0] != switch.epoch:
            self._pending = (switch.epoch, now)
        ready = {one.version for versions in found.values() for one in versions if one.ready}
        patience_s = _CUT_OFF_S if self._started else 0.0
        if release.may_be_loading(switch, ready):
            patience_s = release.LOADING_S
        return now - self._pending[1] >= patience_s

    def _load_one_candidate(self, name: str, versions: tuple[ServerVersion, ...]) -> None:
        """Load the first version that a node lacks beside the live one, if it has the memory.

        One that lost its workers counts as missing.
        """
        node = self._services.server.nodes()[name]
        ready = {found.version for found in versions if found.ready}
        for candidate in loaded_beside(self._services):
            if candidate.version in ready or not self._may_try(name, candidate.version):
                continue
            try:
                check_room(node)
                load(self._services, node, candidate)
            except (NoRoom, ServerRefused, StoreError) as error:
                log.warning(
                    "a version beside the live one could not be loaded",
                    extra={"version": candidate.version, "why": str(error)},
                )
            return

    def _may_try(self, name: str, version: int) -> bool:
        """Return whether a version may be loaded on a node now; if so, not again for `_RETRY_S`."""
        if self._retry_at.get((name, version), 0.0) > self._monotonic():
            return False
        self._retry_at[name, version] = self._monotonic() + _RETRY_S
        return True
