"""Which versions the server must have loaded, and how lost ones are loaded again.

Every change of the live version is a switch in the ledger, so that a person who decides meanwhile
wins. The callers decide when to restore.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from cron.errors import NoRoom, ServerRefused, StoreError, Unavailable
from cron.ledger import holds, release_rows, side_rows, switches
from cron.lineage import Manifest, Release
from cron.ports import ModelServer
from cron.server_versions import ServerVersion
from cron.services import Services
from cron.serving import release

log = logging.getLogger(__name__)


def kept_loaded(services: Services) -> tuple[Release, ...]:
    """Return the releases that stay loaded: the live one, then the best rollback candidates.

    With several nodes at least one candidate stays: gateways learn of a switch some tenths of a
    second later, and until then request the version before.
    """
    live = release_rows.live(services.ledger)
    if live is None:
        return ()
    at_least = 1 if len(services.server.nodes()) == 1 else 2
    number = max(services.settings.release.keep_registered, at_least)
    return (live, *release_rows.rollback_candidates(services.ledger)[: number - 1])


def loaded_beside(services: Services) -> tuple[Manifest, ...]:
    """Return what else should be loaded where the live version is, the most needed first.

    Side versions answer users now; rollback candidates may have to later.
    """
    kept = kept_loaded(services)
    if not kept:
        return ()
    live, *candidates = kept
    wanted = [*side_rows.manifests(services.ledger), *(one.manifest for one in candidates)]
    return tuple({one.version: one for one in wanted if one.version != live.version}.values())


def check_room(server: ModelServer) -> None:
    """Raise NoRoom when the server's memory has no room for one more version."""
    memory = server.memory()
    if memory is not None and not memory.has_room:
        raise NoRoom(taken_bytes=memory.taken_bytes, left_bytes=memory.left_bytes)


def load(services: Services, node: ModelServer, manifest: Manifest) -> None:
    """Register a version on a node from the artifact store; raise ServerRefused or StoreError."""
    node.register(manifest.version, release.archive_url(services.artifacts, manifest))


def restore(services: Services, *, gives_up: bool = False) -> None:
    """Load the live version where it is missing, and make it the default if no node had it.

    When its archive is missing or damaged, or `gives_up` is set and the server refuses it, the
    previous good release stands in and becomes the live one. Raise ServerRefused when the server
    accepts none.
    """
    live = release_rows.live(services.ledger)
    if live is None:
        return
    if all(found.version != live.version for found in services.server.versions()):
        _restore_best(services, live, gives_up=gives_up)
    _load_where_missing(services)


def reload_live(services: Services, found: Mapping[str, tuple[ServerVersion, ...]]) -> None:
    """Reload the live version after it lost its workers; the latest ready candidate stands in.

    `found` is what each node that answers has. Without a ready candidate the requests keep failing
    until the version is loaded. When it cannot be loaded (ServerRefused, StoreError) the stand-in
    stays live, as when an archive is missing.
    """
    live = release_rows.live(services.ledger)
    if live is None:
        return
    ready = {one.version for versions in found.values() for one in versions if one.ready}
    stand_in = _best_stand_in(services, live, ready)
    if stand_in is not None and not _switch_to(services, stand_in, live.version):
        return
    log.error(
        "the live version has lost its workers",
        extra={"version": live.version, "stands_in": stand_in and stand_in.version},
    )
    release.count_quietly(services.ledger, "lost_workers")
    for name in found:
        reload(services, services.server.nodes()[name], live)
    # another default was set by a person; the next look handles it
    if stand_in is not None and services.server.live() in (stand_in.version, None):
        _switch_to(services, live, stand_in.version)


def reload(services: Services, node: ModelServer, target: Release) -> None:
    """Replace what is left of a version on one node; raise ServerRefused or StoreError.

    TorchServe deletes its default version only when it is the last one, so a version that may stand
    in becomes the node's default meanwhile.
    """
    # before anything is unregistered for it
    url = release.archive_url(services.artifacts, target.manifest)
    others = [found for found in node.versions() if found.version != target.version]
    if others and node.live() == target.version:
        ready = {found.version for found in others if found.ready}
        stand_in = _best_stand_in(services, target, ready)
        if stand_in is not None:
            node.set_live(stand_in.version)
        else:
            for found in others:
                node.unregister(found.version)
    node.register(target.version, url)


def _best_stand_in(services: Services, live: Release, ready: set[int]) -> Release | None:
    """Return the best release that may stand in for the live one and is ready to answer."""
    for candidate in _stand_in_candidates(services, live):
        if candidate.version in ready:
            return candidate
    return None


def _stand_in_candidates(services: Services, live: Release) -> tuple[Release, ...]:
    """Return what may answer instead of the live version, best first.

    While a person has paused publishing, nothing newer than the live version may.
    """
    candidates = release_rows.rollback_candidates(services.ledger)
    if holds.current(services.ledger) is None:
        return candidates
    return tuple(one for one in candidates if one.version < live.version)


def _restore_best(services: Services, live: Release, *, gives_up: bool) -> None:
    """Make the live version answer again, or the best stand-in that can be loaded."""
    refused: ServerRefused | None = None
    for target in (live, *_stand_in_candidates(services, live)):
        try:
            if _load_and_switch_to(services, target, live.version):
                log.info(
                    "restored the live version",
                    extra={"version": target.version, "was": live.version},
                )
            return
        except StoreError as error:
            log.error(
                "the archive of a release is unusable; trying the next one",
                extra={"version": target.version, "why": str(error)},
            )
            release.count_quietly(services.ledger, "missing_archives")
        except ServerRefused as error:
            refused = error
            if not gives_up:
                raise
    nothing = (
        "no release that may answer has an archive; restore archives/ from a backup, or promote"
        " another release"
    )
    raise refused or ServerRefused(live.version, status=404, message=nothing)


def _load_where_missing(services: Services) -> None:
    """Load the live version on each of several nodes that lacks it.

    A node that refuses is not in service; that is logged.
    """
    live, nodes = release_rows.live(services.ledger), services.server.nodes()
    if live is None or len(nodes) == 1:
        return
    for name, node in nodes.items():
        try:
            if all(found.version != live.version for found in node.versions()):
                load(services, node, live.manifest)
        except (ServerRefused, Unavailable) as error:
            log.warning(
                "a node lacks the live version",
                extra={"node": name, "version": live.version, "why": str(error)},
            )


def _load_and_switch_to(services: Services, target: Release, live: int) -> bool:
    """Load a release on each node that accepts it and make it live.

    Return False when a person was faster. Raise ServerRefused or StoreError; the live version then
    stays.
    """
    begun = switches.begin_restore(services.ledger, target.version, expected=live)
    if begun is None:
        return False
    try:
        url = release.archive_url(services.artifacts, target.manifest)
        release.load_on_any_node(services.server, target.version, url)
        return release.switch_server(services.ledger, services.server, begun)
    except (ServerRefused, StoreError):
        switches.cancel(services.ledger, begun)
        raise


def _switch_to(services: Services, target: Release, live: int) -> bool:
    """Make a loaded release live; False when a person was faster or the server refused."""
    begun = switches.begin_restore(services.ledger, target.version, expected=live)
    if begun is None:
        return False
    release.finish_switch(services.ledger, services.server, artifacts=lambda: services.artifacts)
    return switches.serving(services.ledger).live == target.version
