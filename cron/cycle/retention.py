"""Which old archives, run folders, journal segments and ledger rows are deleted.

After each collection the log is trimmed. After each turn old journal segments and old rows of the
ledger go; after a run also versions on the server, archives and files of ended runs.

What a kept release needs is never deleted: its archive, its optimiser state, the bases and layers
of its large arrays, and the full retrain at the root of its lineage.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from cron.cycle.release_files import base_name, manifest_name
from cron.errors import FreshetError, LeaseLost
from cron.ledger import (
    journal_rows,
    lease_row,
    picture_rows,
    posterior_rows,
    release_rows,
    run_rows,
    side_rows,
    switches,
)
from cron.ledger.ledger import Ledger
from cron.ledger.pruning import give_back_disk, prune, slim_release
from cron.lineage import Lease, Manifest
from cron.ports import ArtifactStore, EventLog, Histories, ItemRecords, ModelServer
from cron.rebuild_marks import is_place
from cron.services import Services
from cron.serving.restore import kept_loaded
from cron.urls.artifact_name import TRAININGS
from recommender.arrays.bases import CONTENT
from recommender.records.images import ARTIFACT, SENT

log = logging.getLogger(__name__)

_OF_A_VERSION = re.compile(r"(?:manifests/|states/)?rec-(\d+)-[0-9a-f]+\.\w+")
# Neither the journal, which has far more files, nor bases and layers, which belong to no single
# version.
_FOLDERS = ("manifests/", "rec-", "states/")
# The most recently used caches: of the live encoder, of the untrained one from which the next
# learns, and of two to roll back to.
_KEPT_CACHES = 4
# a learner that has not read the log for so long is not waited for
_LEARNER_TIMEOUT = timedelta(minutes=1)
_KEPT_RUNS = 3  # folders of ended runs, to see what went wrong


def tidy(services: Services, lease: Lease) -> None:
    """Delete everything that nothing needs; what fails now is tried after the next turn."""
    works = (_unload, _delete_archives, _delete_folders, _delete_texts, _delete_sent_pictures)
    _do_each(services, lease, (*works, _delete_trainings))
    tidy_records(services, lease)


def tidy_records(services: Services, lease: Lease) -> None:
    """Delete old events and old rows of the ledger, which also age during skipped turns."""
    _do_each(services, lease, (_delete_old_segments, _tidy_slates, _delete_copies, _prune_ledger))


def trim_log(
    event_log: EventLog, ledger: Ledger, histories: Histories, item_records: ItemRecords
) -> None:
    """Trim the log up to where all its readers have read it.

    These are the journal, the histories, the item records, and a posterior that is learned. Item
    records without a place in the log are filled from the journal, and need no more of it.
    What fails now is tried after the next collection.
    """
    try:
        cursors = [journal_rows.log_cursor(ledger), histories.cursor()]
        if is_place(place := item_records.cursor()):
            cursors.append(place)
        learned = posterior_rows.cursor_since(ledger, ledger.now() - _LEARNER_TIMEOUT)
        if learned is not None:
            cursors.append(learned)
        event_log.trim(*cursors)
    except FreshetError as error:
        log.warning("log not trimmed", extra={"why": str(error)})


def drop_version(ledger: Ledger, server: ModelServer, version: int) -> None:
    """Unregister the version of a run that did not publish, unless something else needs it.

    A person may have made it live.
    """
    is_needed = any(one.version == version for one in side_rows.every(ledger))
    if is_needed or release_rows.is_release(ledger, version):
        return
    try:
        server.unregister(version)
    except FreshetError as error:
        log.warning("not unregistered", extra={"version": version, "why": str(error)})


def _do_each(
    services: Services, lease: Lease, works: Sequence[Callable[[Services, Lease], None]]
) -> None:
    for work in works:
        try:
            work(services, lease)
        except LeaseLost:
            raise
        except (FreshetError, OSError) as error:
            log.warning("not tidied", extra={"what": work.__name__.strip("_"), "why": str(error)})


def _needed_releases(services: Services) -> dict[int, Manifest]:
    """Return the releases whose archives stay.

    Those are the newest, those to roll back to, and the anchor of each.
    """
    releases = {one.version: one.manifest for one in release_rows.kept_releases(services.ledger)}
    kept = sorted(releases)[-services.settings.release.keep_releases :]
    kept += [one.version for one in kept_loaded(services)]
    kept += [one.version for one in side_rows.every(services.ledger)]
    needed: dict[int, Manifest] = {}
    for version in kept:
        for one in (version, releases[version].anchor if version in releases else None):
            if one is not None and one in releases:
                needed[one] = releases[one]
    return needed


def _unload(services: Services, lease: Lease) -> None:
    serving = switches.serving(services.ledger)
    if serving.live is None or serving.switch is not None:
        return
    keep = {one.version for one in kept_loaded(services)} | {services.server.live()}
    keep |= {one.version for one in side_rows.every(services.ledger)}
    for found in services.server.versions():
        if found.version not in keep:
            lease_row.check(services.ledger, lease)  # a successor may have loaded it to keep
            services.server.unregister(found.version)


def _delete_archives(services: Services, lease: Lease) -> None:
    """Delete what no kept release needs, each version's manifest first.

    Without its manifest a version is never taken for complete.
    """
    ledger, artifacts = services.ledger, services.artifacts
    kept, version_of = set(_needed_releases(services)), _versions_by_file(artifacts)
    open_run = run_rows.open_run(ledger)
    if open_run is not None and open_run.version is not None:
        kept.add(open_run.version)
    for manifest in release_rows.archive_manifests(ledger, also=set(version_of.values())):
        if manifest.version in kept:
            continue
        if release_rows.mark_archive_gone(ledger, manifest.version, lease=lease):
            slim_release(ledger, manifest, lease=lease)
            for name in filter(None, (manifest_name(manifest), manifest.archive, manifest.state)):
                artifacts.delete(name)
    _delete_strays(ledger, artifacts, version_of, lease)
    if open_run is None:
        _delete_bases(services, lease)


def _versions_by_file(artifacts: ArtifactStore) -> dict[str, int]:
    """Return the version of each file in the store that belongs to one, manifests first."""
    versions: dict[str, int] = {}
    for folder in _FOLDERS:
        for name in artifacts.names(folder):
            if (found := _OF_A_VERSION.fullmatch(name)) is not None:
                versions[name] = int(found[1])
    return versions


def _delete_strays(
    ledger: Ledger, artifacts: ArtifactStore, version_of: Mapping[str, int], lease: Lease
) -> None:
    """Delete files that were put for runs that ended without recording them in the ledger.

    Their worker died, or lost its lease, on another host.
    """
    strays = run_rows.versions_never_recorded(ledger, set(version_of.values()))
    for name, version in version_of.items():
        if version in strays:
            lease_row.check(ledger, lease)
            artifacts.delete(name)


def _delete_bases(services: Services, lease: Lease) -> None:
    """Delete the bases and layers of large arrays that no release with an archive needs.

    A run puts its bases before its archive, so this waits until no run is open.
    """
    ledger, artifacts = services.ledger, services.artifacts
    versions = set(_versions_by_file(artifacts).values())
    releases = [*_needed_releases(services).values()]
    releases += release_rows.archive_manifests(ledger, also=versions)
    needed = {base_name(digest) for manifest in releases for digest in manifest.bases}
    for name in artifacts.names(f"{CONTENT}/"):
        if name not in needed:
            lease_row.check(ledger, lease)
            artifacts.delete(name)


def _delete_old_segments(services: Services, lease: Lease) -> None:
    """Drop journal segments that are too old.

    A run after a rollback to any kept release must still find all that it would train on.
    """
    days = services.settings.release.keep_journal_days
    trained = [
        manifest.trained_through
        for manifest in _needed_releases(services).values()
        if manifest.mode != "baseline"
    ]
    if days is not None and trained:
        older_than = services.ledger.now() - timedelta(days=days)
        services.journal.compact_and_drop(
            older_than=older_than, needed_from=min(trained) + 1, lease=lease
        )


def _tidy_slates(services: Services, lease: Lease) -> None:
    keep = timedelta(days=services.settings.slates.keep_days)
    services.journal.slates.tidy(older_than=services.ledger.now() - keep, lease=lease)


def _delete_copies(services: Services, _lease: Lease) -> None:
    services.journal.delete_stale_copies()


def _prune_ledger(services: Services, lease: Lease) -> None:
    prune(services.ledger, lease=lease)
    give_back_disk(services.ledger)


def _delete_folders(services: Services, _lease: Lease) -> None:
    _delete_run_folders(services.ledger, services.paths.runs)
    compared = _compared_versions(services.ledger)
    kept = {
        manifest.archive.removesuffix(".mar")
        for version, manifest in _needed_releases(services).items()
        if version in compared
    }
    bundles = services.paths.bundles
    _delete_local_bases(services, bundles / CONTENT, compared)
    kept.add(CONTENT)
    for path in bundles.iterdir() if bundles.is_dir() else ():
        if path.name.removesuffix(".safetensors") not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _delete_local_bases(services: Services, content: Path, compared: set[int]) -> None:
    """Delete copies of bases and layers that no bundle or state of the next snapshot needs."""
    needed = {
        digest
        for version, manifest in _needed_releases(services).items()
        if version in compared
        for digest in manifest.bases
    }
    for path in content.iterdir() if content.is_dir() else ():
        if path.name not in needed:
            path.unlink()


def _delete_run_folders(ledger: Ledger, runs: Path) -> None:
    """Delete the folders of ended runs but the newest."""
    open_run = run_rows.open_run(ledger)
    ended = []
    for folder in runs.iterdir() if runs.is_dir() else ():
        if folder.is_dir() and (open_run is None or folder.name != str(open_run.run_id)):
            ended.append(folder)
    ended.sort(key=lambda folder: int(folder.name) if folder.name.isdecimal() else 0)
    for folder in ended[:-_KEPT_RUNS]:
        shutil.rmtree(folder, ignore_errors=True)


def _delete_texts(services: Services, _lease: Lease) -> None:
    """Delete caches of encoders that were not used lately, and files of killed trainers.

    No training is under way now.
    """
    texts = services.paths.texts
    caches = sorted(texts.glob("*.safetensors"), key=lambda path: path.stat().st_mtime)
    caches += sorted(texts.glob("captions-*.json"), key=lambda path: path.stat().st_mtime)
    of_kind: dict[str, list[Path]] = {}
    for path in caches:
        kind, _, _ = path.name.rpartition("-")
        of_kind.setdefault(kind, []).append(path)
    old = [path for paths in of_kind.values() for path in paths[:-_KEPT_CACHES]]
    for path in [*old, *texts.glob("*.tmp")]:
        path.unlink()


def _delete_sent_pictures(services: Services, lease: Lease) -> None:
    """Delete the bytes of pictures that came in records and that no item names any more.

    Nothing is collected meanwhile. Records whose pictures the ledger does not know yet are waited
    for, since they may name some.
    """
    ledger, artifacts = services.ledger, services.artifacts
    names = list(artifacts.names(SENT))
    if not names or picture_rows.through_seq(ledger) < services.journal.last_seq:
        return
    for source in picture_rows.unused_sources(ledger, [f"{ARTIFACT}{name}" for name in names]):
        lease_row.check(ledger, lease)
        artifacts.delete(source.removeprefix(ARTIFACT))


def _delete_trainings(services: Services, lease: Lease) -> None:
    """Delete what travelled for trainings whose runs have ended, such as their checkpoints."""
    open_run = run_rows.open_run(services.ledger)
    needed = f"{TRAININGS}/{open_run.run_id}/" if open_run is not None else None
    for name in services.artifacts.names(f"{TRAININGS}/"):
        if needed is None or not name.startswith(needed):
            lease_row.check(services.ledger, lease)
            services.artifacts.delete(name)


def _compared_versions(ledger: Ledger) -> set[int]:
    """Return the versions whose bundles the next snapshot copies."""
    live = release_rows.live(ledger)
    if live is None:
        return set()
    return {version for version in (live.version, live.manifest.anchor) if version is not None}
