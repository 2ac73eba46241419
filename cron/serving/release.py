"""Change the live release: publish, roll back, promote, or finish an interrupted switch.

Needs the ledger and the model server; the artifact store only for a version that is no longer
loaded. Loads neither torch nor numpy, so that a rollback answers in well under a second.

A switch is committed to the ledger with an epoch, then the server's default is set, then the epoch
is read again. The last process to set the default checks that its decision was the latest one, and
otherwise sets the latest one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from cron.errors import (
    NothingToRollBackTo,
    Overtaken,
    ServerRefused,
    StoreError,
    Superseded,
    SwitchPending,
    Unavailable,
)
from cron.ledger import metric_rows, release_rows, switches
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Manifest, Release, Switch
from cron.ports import ArtifactStore, ModelServer
from recommender.arrays.bases import CONTENT
from trainer.archive import bases_left_out
from trainer.machine.retries import RetryPolicy, call_with_retries

OpenArtifacts = Callable[[], ArtifactStore]
Wait = Callable[[float], bool]  # wait that many seconds; True when the caller must stop

# the longest that a person's process may need to fetch an archive before the server shows that it
# is loading it
LOADING_S = 60.0
_LOOK_S = 1.0
# Choosing the release before the live one, when that changes meanwhile.
_CHOICES = RetryPolicy(
    may_pass=lambda error: isinstance(error, Superseded), max_tries=3, first_pause_s=0.0
)


def publish(
    ledger: Ledger, server: ModelServer, version: int, *, expected: int | None, lease: Lease
) -> None:
    """Make a registered and probed version live, if `expected` still is.

    Raise Superseded or Held when a person was faster, and ServerRefused when the server refuses;
    the live version then stays. When the server does not answer (Unavailable) the switch stays
    begun, and `finish_switch` ends it later.
    """
    begun = switches.begin_publish(ledger, version, expected=expected, lease=lease)
    try:
        won = switch_server(ledger, server, begun)
    except ServerRefused:
        _cancel(ledger, begun)
        raise
    if not won:
        raise Superseded(expected=expected, found=switches.serving(ledger).live)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """The result of a rollback: `version` is live, and `was` was live before."""

    version: int
    was: int


def rollback(
    ledger: Ledger,
    server: ModelServer,
    version: int | None,
    *,
    by: str,
    artifacts: OpenArtifacts | None = None,
    seen: switches.Seen | None = None,
) -> RolledBack:
    """Make an earlier release live, by default the previous good one, and pause publishing.

    Publishing stays paused until `resume`, and also when the server refuses. Raise UnknownVersion,
    NothingToRollBackTo, or the server's error. Raise SwitchPending when the server does not answer:
    the rollback is carried out as soon as it does. Raise RolledBackMeanwhile when no version is
    named and somebody else rolled back after `seen` (default: now), LiveChanged when another
    version is live than the one seen, Overtaken when a later decision was carried out instead.
    """
    started, seen = time.monotonic(), seen or switches.Seen(at=ledger.now())
    if switches.under_way(ledger) is not None:
        # First, so that "previous" means the release before the one served. When the server does
        # not answer, the decision must still be recorded: it overtakes the interrupted switch.
        with suppress(Unavailable):
            finish_switch(ledger, server, artifacts=artifacts)
    begun, was = _begin_rollback(ledger, version, by=by, seen=seen)
    _switch_as_decided(
        ledger, server, begun, release_rows.release(ledger, begun.version), artifacts
    )
    with suppress(Unavailable):  # the rollback is done, whether its time can be recorded or not
        metric_rows.set_gauge(ledger, "rollback_seconds", time.monotonic() - started)
    return RolledBack(version=begun.version, was=was)


def promote(
    ledger: Ledger,
    server: ModelServer,
    version: int,
    *,
    artifacts: OpenArtifacts | None = None,
    seen_live: int | None = None,
) -> Release:
    """Make a release live that was live before, older or newer; a hold stays.

    Raise UnknownVersion or the server's error, LiveChanged when another version than `seen_live` is
    live. Raise SwitchPending when the server does not answer: the promotion is carried out as soon
    as it does. Raise Overtaken when a later decision was carried out instead.
    """
    target = release_rows.release(ledger, version)
    begun = switches.begin_promote(ledger, version, seen_live=seen_live)
    _switch_as_decided(ledger, server, begun, target, artifacts)
    return release_rows.release(ledger, version)


def may_be_loading(begun: Switch, ready: Collection[int]) -> bool:
    """Return whether a person's process may be loading the version now.

    A second load would then find half an archive and spoil the first. `ready` are the versions that
    can answer; when there is none, nobody is waited for.
    """
    return begun.kind in ("rollback", "promote") and bool(ready) and begun.version not in ready


def finish_switch(
    ledger: Ledger,
    server: ModelServer,
    *,
    artifacts: OpenArtifacts | None = None,
    wait: Wait | None = None,
) -> None:
    """Finish an interrupted switch; cancel it when the server refuses it.

    With `wait`, a person who may be loading the version gets up to `LOADING_S` to finish first.
    """
    begun = switches.under_way(ledger)
    if begun is None:
        return
    manifest = release_rows.archive_manifest(ledger, begun.version)
    try:
        if wait is not None and not _is_unfinished(ledger, server, begun, wait):
            return
        _load_and_switch(ledger, server, begun, manifest, artifacts)
    except (ServerRefused, StoreError):
        _cancel(ledger, begun)


def count_quietly(ledger: Ledger, name: str) -> None:
    """Raise a counter; do nothing when the ledger is unavailable."""
    with suppress(Unavailable):
        metric_rows.count(ledger, name)


def archive_url(artifacts: ArtifactStore, manifest: Manifest) -> str:
    """Verify a stored archive and return the URL from which TorchServe registers it.

    The bases and layers that the archive leaves out are verified too. Raise ArtifactMissing or
    ArtifactCorrupt, which name the file.
    """
    url = artifacts.url(manifest.archive, sha256=manifest.archive_sha256)
    store = artifacts.folder()
    for digest in bases_left_out(store / manifest.archive) if store is not None else ():
        artifacts.url(f"{CONTENT}/{digest}", sha256=digest)
    return url


def load_on_any_node(server: ModelServer, version: int, url: str) -> None:
    """Register a version on every node that accepts it; raise the first refusal when none does.

    Only for a version that was live before: a promotion to a new one stops at a node's refusal.
    """
    refused: list[ServerRefused | Unavailable] = []
    nodes = server.nodes().values()
    for node in nodes:
        try:
            node.register(version, url)
        except (ServerRefused, Unavailable) as error:
            refused.append(error)
    if len(refused) == len(nodes):
        raise next((error for error in refused if isinstance(error, ServerRefused)), refused[0])


def switch_server(ledger: Ledger, server: ModelServer, begun: Switch) -> bool:
    """Set the server's default to the ledger's latest decision; True if that is `begun`."""
    while True:
        serving = switches.serving(ledger)
        decided = serving.switch.version if serving.switch is not None else serving.live
        if decided is not None:
            server.set_live(decided)
        if serving.switch is not None:
            if switches.end(ledger, serving.switch):
                return serving.switch.epoch == begun.epoch
        elif switches.serving(ledger).epoch == serving.epoch:
            return serving.live == begun.version and serving.epoch == begun.epoch


def _begin_rollback(
    ledger: Ledger, version: int | None, *, by: str, seen: switches.Seen
) -> tuple[Switch, int]:
    """Begin a rollback from the live version; return the switch and the version that was live.

    When another release becomes live while the previous one is chosen, choose again.
    """

    def begin() -> tuple[Switch, int]:
        live = release_rows.live(ledger)
        target = _rollback_target(ledger, version)
        if target is None or live is None:
            raise NothingToRollBackTo(live=live.version if live is not None else None)
        reason = f"rolled back from version {live.version} to {target.version} by {by}"
        asked = switches.Seen(live=live.version, at=seen.at) if version is None else None
        begun = switches.begin_rollback(
            ledger, target.version, reason=reason, asked=asked, seen_live=seen.live
        )
        return begun, live.version

    return call_with_retries(_CHOICES, begin)


def _rollback_target(ledger: Ledger, version: int | None) -> Release | None:
    if version is None:
        return release_rows.previous_good(ledger)
    return release_rows.release(ledger, version)


def _is_unfinished(ledger: Ledger, server: ModelServer, begun: Switch, wait: Wait) -> bool:
    """Wait while a person may load the version; tell whether the switch is still under way."""
    for _ in range(int(LOADING_S / _LOOK_S)):
        if switches.under_way(ledger) != begun:
            return False
        if not may_be_loading(begun, {found.version for found in server.versions() if found.ready}):
            break
        if wait(_LOOK_S):
            return False
    return True


def _switch_as_decided(
    ledger: Ledger,
    server: ModelServer,
    begun: Switch,
    target: Release,
    artifacts: OpenArtifacts | None,
) -> None:
    """Carry out a person's decision; raise SwitchPending, Overtaken or the server's refusal."""
    try:
        won = _load_and_switch(ledger, server, begun, target.manifest, artifacts)
    except (ServerRefused, StoreError):
        _cancel(ledger, begun)
        raise
    except Unavailable as error:
        raise SwitchPending(
            target.version, why=str(error), is_paused=begun.kind == "rollback"
        ) from error
    live = switches.serving(ledger).live
    if not won and live != target.version:
        raise Overtaken(target.version, live=live)


def _load_and_switch(
    ledger: Ledger,
    server: ModelServer,
    begun: Switch,
    manifest: Manifest | None,
    artifacts: OpenArtifacts | None,
) -> bool:
    """Carry out a switch, loading its version from the archive if the server does not have it.

    Return whether it is the ledger's latest decision.
    """
    try:
        return switch_server(ledger, server, begun)
    except ServerRefused:
        if artifacts is None or manifest is None:
            raise
        load_on_any_node(server, begun.version, archive_url(artifacts(), manifest))
        return switch_server(ledger, server, begun)


def _cancel(ledger: Ledger, begun: Switch) -> None:
    """Cancel a switch that the server refused, and count it."""
    switches.cancel(ledger, begun)
    count_quietly(ledger, "failed_switches")
