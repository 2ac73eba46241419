"""What is let go: the log after each collection; after a turn old journal segments and rows of the ledger; after a run versions on the
server, archives, files of ended runs.

What a kept release needs is never deleted: its archive, its optimiser state, and the full retrain
at the root of its lineage.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from cron.cycle.release_files import manifest_name
from cron.errors import FreshetError, LeaseLost
from cron.ledger import journal_rows, lease_row, release_rows, run_rows, switches
from cron.ledger.pruning import give_back_disk, prune, slim_release
from cron.lineage import Lease, Manifest
from cron.services import Services
from cron.serving.restore import kept_loaded

log = logging.getLogger(__name__)

_OF_A_VERSION = re.compile(r"(?:manifests/|states/)?rec-(\d+)-[0-9a-f]+\.\w+")
_FOLDERS = ("manifests/", "rec-", "states/")  # all but the journal, which has more files by far
# caches by last use: of the live encoder, of the untrained one from which the next learns, and of
# two to roll back to
_KEPT_TEXTS = 4
_KEPT_RUNS = 3  # folders of ended runs, for a look at what went wrong


def tidy(services: Services, lease: Lease) -> None:
    """Let go of everything that nothing needs any more; what can't be reached now is tried after the next turn."""
    _let_go(services, lease, (_unload, _delete_archives, _delete_folders, _delete_texts))
    tidy_records(services, lease)


def tidy_records(services: Services, lease: Lease) -> None:
    """Let go of old events and of the ledger's old rows: they grow old at turns that are skipped, too."""
    _let_go(services, lease, (_delete_old_segments, _delete_copies, _prune_ledger))


def _let_go(
    services: Services, lease: Lease, works: Sequence[Callable[[Services, Lease], None]]
) -> None:
    for work in works:
        try:
            work(services, lease)
        except LeaseLost:
            raise
        except (FreshetError, OSError) as error:
            log.warning("not tidied", extra={"what": work.__name__.strip("_"), "why": str(error)})


def trim_log(services: Services) -> None:
    """Let the log go up to where journal and histories have both come; what can't be trimmed now is tried after the next collection."""
    try:
        services.log.trim(journal_rows.log_cursor(services.ledger), services.histories.cursor())
    except FreshetError as error:
        log.warning("log not trimmed", extra={"why": str(error)})


def drop_version(services: Services, version: int) -> None:
    """Unregister the version of a run that did not publish; one that a person made live meanwhile stays."""
    if release_rows.is_release(services.ledger, version):
        return
    try:
        services.server.unregister(version)
    except FreshetError as error:
        log.warning("not unregistered", extra={"version": version, "why": str(error)})


def needed(services: Services) -> dict[int, Manifest]:
    """Return the releases whose archives stay: the newest, those to roll back to, and the anchor of each."""
    releases = {one.version: one.manifest for one in release_rows.kept_releases(services.ledger)}
    kept = sorted(releases)[-services.settings.release.keep_releases :]
    kept += [one.version for one in kept_loaded(services)]
    kept += [
        anchor
        for version in kept
        if version in releases and (anchor := releases[version].anchor) is not None
    ]
    return {version: releases[version] for version in kept if version in releases}


def _unload(services: Services, lease: Lease) -> None:
    serving = switches.serving(services.ledger)
    if serving.live is None or serving.switch is not None:
        return
    keep = {one.version for one in kept_loaded(services)} | {services.server.live()}
    for found in services.server.versions():
        if found.version not in keep:
            lease_row.check(services.ledger, lease)  # a successor may have loaded it for good
            services.server.unregister(found.version)


def _delete_archives(services: Services, lease: Lease) -> None:
    """Delete what no kept release needs, each version's manifest first: without it nobody takes the rest for a whole version."""
    keep, left = needed(services), _left(services)
    open_run = run_rows.open_run(services.ledger)
    for manifest in release_rows.archive_manifests(services.ledger, also=set(left.values())):
        if manifest.version in keep or (
            open_run is not None and open_run.version == manifest.version
        ):
            continue
        if release_rows.mark_archive_gone(services.ledger, manifest.version, lease=lease):
            slim_release(services.ledger, manifest, lease=lease)
            for name in filter(None, (manifest_name(manifest), manifest.archive, manifest.state)):
                services.artifacts.delete(name)
    _delete_strays(services, left, lease)


def _left(services: Services) -> dict[str, int]:
    """Return the version of each file in the store that belongs to one, manifests first."""
    names = [name for begin in _FOLDERS for name in services.artifacts.names(begin)]
    return {name: int(found[1]) for name in names if (found := _OF_A_VERSION.fullmatch(name))}


def _delete_strays(services: Services, left: Mapping[str, int], lease: Lease) -> None:
    """Delete what was put for a run that ended without entering it in the ledger: its worker died, or lost its lease, on another host."""
    versions = run_rows.versions_never_recorded(services.ledger, set(left.values()))
    for name in (name for name, version in left.items() if version in versions):
        lease_row.check(services.ledger, lease)
        services.artifacts.delete(name)


def _delete_old_segments(services: Services, lease: Lease) -> None:
    """Drop journal segments past their days, but nothing that a run after a rollback to any kept release would train on."""
    days = services.settings.release.keep_journal_days
    trained = [
        manifest.trained_through
        for manifest in needed(services).values()
        if manifest.mode != "baseline"
    ]
    if days is not None and trained:
        older_than = services.ledger.now() - timedelta(days=days)
        services.journal.compact_and_drop(
            older_than=older_than, needed_from=min(trained) + 1, lease=lease
        )


def _delete_copies(services: Services, _lease: Lease) -> None:
    services.journal.delete_stale_copies()


def _prune_ledger(services: Services, lease: Lease) -> None:
    prune(services.ledger, lease=lease)
    give_back_disk(services.ledger)


def _delete_folders(services: Services, _lease: Lease) -> None:
    open_run = run_rows.open_run(services.ledger)
    ended = [
        folder
        for folder in _folders(services.paths.runs)
        if open_run is None or folder.name != str(open_run.run_id)
    ]
    for folder in sorted(ended, key=lambda one: int(one.name) if one.name.isdecimal() else 0)[
        :-_KEPT_RUNS
    ]:
        shutil.rmtree(folder, ignore_errors=True)
    kept = {
        manifest.archive.removesuffix(".mar")
        for version, manifest in needed(services).items()
        if version in _compared(services)
    }
    for path in services.paths.bundles.iterdir() if services.paths.bundles.is_dir() else ():
        if path.name.removesuffix(".safetensors") not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _delete_texts(services: Services, _lease: Lease) -> None:
    """Delete caches of encoders that were not used lately, and what a trainer was killed over: no training is under way."""
    caches = sorted(
        services.paths.texts.glob("*.safetensors"), key=lambda path: path.stat().st_mtime
    )
    for path in [*caches[:-_KEPT_TEXTS], *services.paths.texts.glob("*.tmp")]:
        path.unlink()


def _compared(services: Services) -> set[int]:
    """Return the versions whose bundles the next snapshot copies."""
    live = release_rows.live(services.ledger)
    return (
        {version for version in (live.version, live.manifest.anchor) if version is not None}
        if live is not None
        else set()
    )


def _folders(parent: Path) -> list[Path]:
    return [path for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []
