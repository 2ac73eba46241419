"""Which versions the server's nodes ought to hold, and bringing them back where they are lost.

Works through the ledger's switches, so that a person who decides meanwhile is the faster one. Knows
nothing of when it is called.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from cron.errors import NoRoom, ServerRefused, StoreError, Unavailable
from cron.ledger import holds, release_rows, switches
from cron.lineage import Release
from cron.ports import ModelServer, ServerVersion
from cron.services import Services
from cron.serving import release

log = logging.getLogger(__name__)


def kept_loaded(services: Services) -> tuple[Release, ...]:
    """Return the releases that stay registered: the live one, then the latest rollback candidates.

    With several nodes one candidate at least: gateways learn of a switch some tenths of a second
    later, and ask for the version before.
    """
    live = release_rows.live(services.ledger)
    if live is None:
        return ()
    number = max(
        services.settings.release.keep_registered, 1 if len(services.server.nodes()) == 1 else 2
    )
    return (live, *release_rows.rollback_candidates(services.ledger)[: number - 1])


def check_room(server: ModelServer) -> None:
    """Raise NoRoom when a version beside the live one would not fit into the server's memory."""
    memory = server.memory()
    if memory is not None and not memory.has_room:
        raise NoRoom(taken_bytes=memory.taken_bytes, left_bytes=memory.left_bytes)


def restore_live(services: Services, *, gives_up: bool = False) -> None:
    """Register the live version when no node has it any more, and make it the default; then see to each node that lacks it.

    When its archive is gone or damaged, or `gives_up` and the server refuses it, the previous good
    release stands in and becomes the live one. Raise ServerRefused when the server takes none.
    """
    live = release_rows.live(services.ledger)
    if live is None:
        return
    if all(found.version != live.version for found in services.server.versions()):
        _bring_back(services, live, gives_up=gives_up)
    _complete_nodes(services)


def revive_live(services: Services, found: Mapping[str, tuple[ServerVersion, ...]]) -> None:
    """Load the live version anew where it has lost its workers for good; the latest ready candidate stands in meanwhile.

    `found` is what each node that answers has. Without a ready candidate the calls fail until it is
    loaded, as they did before. When it can't be loaded (ServerRefused, StoreError) the stand-in
    stays, as when an archive is gone.
    """
    live = release_rows.live(services.ledger)
    if live is None:
        return
    ready = {one.version for versions in found.values() for one in versions if one.ready}
    stand_in = next((one for one in _stand_ins(services, live) if one.version in ready), None)
    if stand_in is not None and not _switch_to(services, stand_in, live.version):
        return
    log.error(
        "the live version has lost its workers",
        extra={"version": live.version, "stands_in": stand_in and stand_in.version},
    )
    release.count_quietly(services.ledger, "lost_workers")
    for name in found:
        load_anew(services, services.server.nodes()[name], live)
    if stand_in is not None and services.server.live() in (
        stand_in.version,
        None,
    ):  # another default is a person's hand, of the next look
        _switch_to(services, live, stand_in.version)


def load_anew(services: Services, node: ModelServer, target: Release) -> None:
    """Register a version on one node, instead of what is left of it there; raise ServerRefused or StoreError.

    A version that may stand in is the node's default meanwhile: TorchServe deletes its default only
    as the last one.
    """
    url = release.archive_url(
        services.artifacts, target.manifest
    )  # before anything is let go for it
    others = [found for found in node.versions() if found.version != target.version]
    if others and node.live() == target.version:
        ready = {found.version for found in others if found.ready}
        stand_in = next((one for one in _stand_ins(services, target) if one.version in ready), None)
        if stand_in is not None:
            node.set_live(stand_in.version)
        else:
            for found in others:
                node.unregister(found.version)
    node.register(target.version, url)


def register(services: Services, node: ModelServer, target: Release) -> None:
    """Register a release from the artifact store; raise ServerRefused or StoreError."""
    node.register(target.version, release.archive_url(services.artifacts, target.manifest))


def _stand_ins(services: Services, live: Release) -> tuple[Release, ...]:
    """Return what may answer instead of the live version, best first; while a person has paused publishing, nothing newer."""
    candidates, hold = (
        release_rows.rollback_candidates(services.ledger),
        holds.current(services.ledger),
    )
    return (
        candidates
        if hold is None
        else tuple(one for one in candidates if one.version < live.version)
    )


def _bring_back(services: Services, live: Release, *, gives_up: bool) -> None:
    refused: ServerRefused | None = None
    for target in (live, *_stand_ins(services, live)):
        try:
            if _stand_in(services, target, live.version):
                log.info(
                    "restored the live version",
                    extra={"version": target.version, "was": live.version},
                )
            return
        except StoreError as error:
            log.error(
                "the archive of a release can't be used; trying the next one",
                extra={"version": target.version, "why": str(error)},
            )
            release.count_quietly(services.ledger, "missing_archives")
        except ServerRefused as error:
            refused = error
            if not gives_up:
                raise
    nothing = "no archive of a release that may answer is left; restore archives/ from a backup, or promote another release"
    raise refused or ServerRefused(live.version, status=404, message=nothing)


def _complete_nodes(services: Services) -> None:
    """Give the live version to each of several nodes that lacks it; one that will not is not in service, and told of in the log."""
    live, nodes = release_rows.live(services.ledger), services.server.nodes()
    if live is None or len(nodes) == 1:
        return
    for name, node in nodes.items():
        try:
            if all(found.version != live.version for found in node.versions()):
                register(services, node, live)
        except (ServerRefused, Unavailable) as error:
            log.warning(
                "a node lacks the live version",
                extra={"node": name, "version": live.version, "why": str(error)},
            )


def _stand_in(services: Services, target: Release, live: int) -> bool:
    """Load a release on each node that takes it, and make it the default and the live one; False when a person was faster.

    Raise ServerRefused or StoreError; what was live then stays so.
    """
    begun = switches.begin_restore(services.ledger, target.version, expected=live)
    if begun is None:
        return False
    try:
        release.load_somewhere(
            services.server,
            target.version,
            release.archive_url(services.artifacts, target.manifest),
        )
        return release.carry_out(services.ledger, services.server, begun)
    except (ServerRefused, StoreError):
        switches.cancel(services.ledger, begun)
        raise


def _switch_to(services: Services, target: Release, live: int) -> bool:
    """Make a loaded release the live one; False when a person was faster, or the server would not."""
    begun = switches.begin_restore(services.ledger, target.version, expected=live)
    if begun is None:
        return False
    release.finish_switch(services.ledger, services.server, artifacts=lambda: services.artifacts)
    return switches.serving(services.ledger).live == target.version
