"""The live writer on TorchServe: load it after a restart, make it the default, roll back.

It has a model name of its own, `copy`, with versions and a default of its own, so that nothing here
touches the recommender's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from cron.copy_errors import NoLiveWriter
from cron.errors import FreshetError
from cron.ledger import writer_rows
from cron.ledger.ledger import Ledger
from cron.ledger.writer_rows import KnownWriter
from cron.ports import ArtifactStore, ModelServer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterRollback:
    """The writer that is live now, and why no node has loaded it yet; templates alone: None."""

    live: KnownWriter | None
    not_loaded: str | None = None


def restore_live(ledger: Ledger, server: ModelServer, artifacts: ArtifactStore) -> None:
    """Load the live writer where no node has it, and make it the default.

    Raise Unavailable, ServerRefused or StoreError.
    """
    live = writer_rows.live(ledger)
    if live is None or live.version is None or live.archive is None:
        return
    ready = any(one.version == live.version and one.ready for one in server.versions())
    if not ready:
        log.info("loading the writer of texts", extra={"version": live.version})
        server.register(live.version, artifacts.url(live.archive))
    if server.live() != live.version:
        server.set_live(live.version)


def roll_back_and_load(
    ledger: Ledger, open_server: Callable[[], ModelServer], artifacts: ArtifactStore
) -> WriterRollback:
    """Roll back, load the writer that is live then, and unload the one that was.

    A server that is away doesn't keep the rollback: the worker loads the writer when it is back.
    Raise NoLiveWriter.
    """
    before = writer_rows.live(ledger)
    live = roll_back(ledger)
    try:
        if live is not None and live.version is not None:
            restore_live(ledger, open_server(), artifacts)
    except FreshetError as error:
        return WriterRollback(live=live, not_loaded=str(error))
    if before is not None and before.version is not None:
        unload(before.version, live, open_server)
    return WriterRollback(live=live)


def unload(version: int, live: KnownWriter | None, open_server: Callable[[], ModelServer]) -> None:
    """Unload a version that is no longer live, and all if none is; a failure costs memory only."""
    with suppress(FreshetError):
        if live is not None and live.version is not None:
            open_server().unregister(version)
        else:
            open_server().unregister_all()


def roll_back(ledger: Ledger) -> KnownWriter | None:
    """Make the writer before the live one live, and return it; None if templates are shown now.

    The ledger alone decides whose texts are shown, so it takes effect with the next answer. Raise
    NoLiveWriter.
    """
    live = writer_rows.live(ledger)
    if live is None:
        raise NoLiveWriter
    writer_rows.retire(ledger, live.digest)
    return writer_rows.live(ledger)
