"""Which release is live: publish, roll back, promote, and finish a switch that was cut off.

Needs the ledger and the model server; the artifact store only for a version that is not loaded any
more. Loads neither torch nor numpy, so that a rollback answers in well under a second.

A switch is committed to the ledger with an epoch, then the server is told, then the epoch is read
again: whoever told the server last checks that his was the latest decision, and if not, tells it
the latest one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

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

OpenArtifacts = Callable[[], ArtifactStore]
Wait = Callable[[float], bool]  # so many seconds; True when there is no time to wait any more

# a person's process may take so long to fetch an archive, before the server shows that it is being
# loaded
LOADING_S = 60.0
_LOOK_S = 1.0
_CHOICES = 3  # of the release before the live one, when another becomes live in between


def switch(
    ledger: Ledger, server: ModelServer, version: int, *, expected: int | None, lease: Lease
) -> None:
    """Make a registered and probed version live, if `expected` still is.

    Raise Superseded or Held when a person was faster, ServerRefused when the server would not; the
    live version then stays. When the server does not answer at all (Unavailable) the switch stays
    begun, and `finish_switch` ends it later.
    """
    begun = switches.begin_publish(ledger, version, expected=expected, lease=lease)
    try:
        won = carry_out(ledger, server, begun)
    except ServerRefused:
        switches.cancel(ledger, begun)
        count_quietly(ledger, "failed_switches")
        raise
    if not won:
        raise Superseded(expected=expected, found=switches.serving(ledger).live)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """What a rollback did: `version` is live, `was` was."""

    version: int
    was: int


def rollback(
    ledger: Ledger,
    server: ModelServer,
    version: int | None,
    *,
    by: str,
    artifacts: OpenArtifacts | None = None,
    asked_at: datetime | None = None,
) -> RolledBack:
    """Put a release back, the previous good one by default, and pause publishing until `resume`.

    Raise UnknownVersion, NothingToRollBackTo, or what the server says; publishing is paused even
    then. Raise SwitchPending when the server does not answer: the rollback is then done when it
    does. Raise RolledBackMeanwhile when no version is named and somebody else rolled back after
    `asked_at` (default: now), Overtaken when a later decision was carried out instead.
    """
    started, asked_at = time.monotonic(), asked_at or ledger.now()
    if switches.under_way(ledger) is not None:
        with suppress(
            Unavailable
        ):  # a dead server must not lose the decision: it then overtakes the switch that was cut off
            finish_switch(
                ledger, server, artifacts=artifacts
            )  # so that "previous" is seen from what is served
    begun, was = _begin_rollback(ledger, version, by=by, asked_at=asked_at)
    _put_back(ledger, server, begun, release_rows.release(ledger, begun.version), artifacts)
    with suppress(Unavailable):  # it is done, whether its time can be noted or not
        metric_rows.set_gauge(ledger, "rollback_seconds", time.monotonic() - started)
    return RolledBack(version=begun.version, was=was)


def promote(
    ledger: Ledger, server: ModelServer, version: int, *, artifacts: OpenArtifacts | None = None
) -> Release:
    """Make a release live that was before, forward or back; a hold stays as it is. Raise UnknownVersion or what the server says.

    Raise SwitchPending when the server does not answer: the promotion is then done when it does.
    Raise Overtaken when a later decision was carried out instead.
    """
    target = release_rows.release(ledger, version)
    begun = switches.begin_promote(ledger, version)
    _put_back(ledger, server, begun, target, artifacts)
    return release_rows.release(ledger, version)


def may_be_loading(begun: Switch, ready: Collection[int]) -> bool:
    """Tell whether a person's process may be loading the version just now: a second load would meet half an archive, and spoil the first.

    `ready` are the versions that can answer. Where none can, nobody is waited for.
    """
    return begun.kind in ("rollback", "promote") and bool(ready) and begun.version not in ready


def finish_switch(
    ledger: Ledger,
    server: ModelServer,
    *,
    artifacts: OpenArtifacts | None = None,
    wait: Wait | None = None,
) -> None:
    """End a switch that was begun and cut off; one that the server refuses is given up, and what was live stays.

    With `wait` a person who may be loading the version is let finish first, within `LOADING_S`.
    """
    begun = switches.under_way(ledger)
    if begun is None:
        return
    manifest = release_rows.archive_manifest(ledger, begun.version)
    try:
        if wait is not None and not _is_left(ledger, server, begun, wait):
            return
        _load_and_carry_out(ledger, server, begun, manifest, artifacts)
    except (ServerRefused, StoreError):
        switches.cancel(ledger, begun)
        count_quietly(ledger, "failed_switches")


def count_quietly(ledger: Ledger, name: str) -> None:
    """Raise a counter; one that can't be written changes nothing about what is counted."""
    with suppress(Unavailable):
        metric_rows.count(ledger, name)


def archive_url(artifacts: ArtifactStore, manifest: Manifest) -> str:
    """Return what TorchServe registers a release from, once the stored bytes are those that the ledger names."""
    return artifacts.url(manifest.archive, sha256=manifest.archive_sha256)


def load_somewhere(server: ModelServer, version: int, url: str) -> None:
    """Register a version on each node that takes it; raise what the first one said when none does.

    Not for a promotion, which one node's refusal stops: for what was live before and must be so
    again.
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


def carry_out(ledger: Ledger, server: ModelServer, begun: Switch) -> bool:
    """Tell the server until it was told the ledger's latest decision; tell whether that was ours."""
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
    ledger: Ledger, version: int | None, *, by: str, asked_at: datetime
) -> tuple[Switch, int]:
    """Begin to go back from the live version; return the switch and the version that was live."""
    for tries_left in reversed(range(_CHOICES)):
        live = release_rows.live(ledger)
        target = (
            release_rows.release(ledger, version)
            if version is not None
            else release_rows.previous_good(ledger)
        )
        if target is None or live is None:
            raise NothingToRollBackTo(live=live.version if live is not None else None)
        reason = f"rolled back from version {live.version} to {target.version} by {by}"
        asked = switches.Asked(live=live.version, at=asked_at) if version is None else None
        try:
            return switches.begin_rollback(
                ledger, target.version, reason=reason, asked=asked
            ), live.version
        except (
            Superseded
        ):  # published or promoted in between: the release before that one is another
            if not tries_left:
                raise
    raise AssertionError("the last try returns or raises")


def _is_left(ledger: Ledger, server: ModelServer, begun: Switch, wait: Wait) -> bool:
    """Tell whether a switch is still to be ended once whoever may be loading its version has had the time."""
    for _ in range(int(LOADING_S / _LOOK_S)):
        if switches.under_way(ledger) != begun:
            return False
        if not may_be_loading(begun, {found.version for found in server.versions() if found.ready}):
            break
        if wait(_LOOK_S):
            return False
    return True


def _put_back(
    ledger: Ledger,
    server: ModelServer,
    begun: Switch,
    target: Release,
    artifacts: OpenArtifacts | None,
) -> None:
    try:
        won = _load_and_carry_out(ledger, server, begun, target.manifest, artifacts)
    except (ServerRefused, StoreError):
        switches.cancel(ledger, begun)
        count_quietly(ledger, "failed_switches")
        raise
    except Unavailable as error:
        raise SwitchPending(
            target.version, why=str(error), is_paused=begun.kind == "rollback"
        ) from error
    live = switches.serving(ledger).live
    if not won and live != target.version:
        raise Overtaken(target.version, live=live)


def _load_and_carry_out(
    ledger: Ledger,
    server: ModelServer,
    begun: Switch,
    manifest: Manifest | None,
    artifacts: OpenArtifacts | None,
) -> bool:
    """Carry a switch out, loading its version from the archive if need be; tell whether it was the ledger's latest decision."""
    try:
        return carry_out(ledger, server, begun)
    except ServerRefused:
        if artifacts is None or manifest is None:
            raise
        load_somewhere(server, begun.version, archive_url(artifacts(), manifest))
        return carry_out(ledger, server, begun)
