"""The files of a release: where they lie in the artifact store, and local copies of its bundle and optimiser state.

A local copy is verified against the ledger's digests whenever it is used; one that is damaged or
cut short is fetched again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from cron.errors import ArtifactCorrupt
from cron.lineage import Manifest
from cron.local.disk_errors import translate_os_errors
from cron.services import Services
from trainer import durable_files
from trainer.archive import ArchiveError, bundle_digest, unpack_bundle, verify_bundle
from trainer.durable_files import sha256_of

STATE = "state/optimizer.safetensors"  # in a candidate
_COPIES = "the local copies of releases"


def manifest_name(manifest: Manifest) -> str:
    """Return the artifact that holds the manifest itself; with it a version is whole."""
    return f"manifests/{manifest.archive.removesuffix('.mar')}.json"


def bundle_of(services: Services, manifest: Manifest) -> Path:
    """Return a verified local copy of a release's bundle; raise ArtifactMissing or ArtifactCorrupt when the store has none."""
    folder = services.paths.bundles / manifest.archive.removesuffix(".mar")
    with translate_os_errors(_COPIES, folder):
        if not _is_bundle(folder, manifest):
            shutil.rmtree(folder, ignore_errors=True)
            _unpack(services, manifest, folder)
    return folder


def state_of(services: Services, manifest: Manifest) -> Path | None:
    """Return a verified local copy of a release's optimiser state; None when it has none."""
    if manifest.state is None:
        return None
    file = services.paths.bundles / Path(manifest.state).name
    with translate_os_errors(_COPIES, file):
        # A release from before its manifest held this digest is fetched each time: the store knows
        # it.
        if (
            manifest.state_sha256 is None
            or not file.is_file()
            or sha256_of(file) != manifest.state_sha256
        ):
            services.artifacts.fetch(manifest.state, file, sha256=manifest.state_sha256)
    return file


def _is_bundle(folder: Path, manifest: Manifest) -> bool:
    """Tell whether a folder holds exactly the release's bundle."""
    try:
        verify_bundle(folder)
    except ArchiveError:
        return False
    return bundle_digest(folder) == manifest.bundle_digest


def _unpack(services: Services, manifest: Manifest, folder: Path) -> None:
    mar = folder.with_suffix(".mar")
    durable_files.make_folder(mar.parent)
    try:
        services.artifacts.fetch(manifest.archive, mar, sha256=manifest.archive_sha256)
        unpack_bundle(mar, folder)
    finally:
        mar.unlink(missing_ok=True)
    found = bundle_digest(folder)
    if found != manifest.bundle_digest:
        raise ArtifactCorrupt(
            f"{manifest.archive}, bundle", expected=manifest.bundle_digest, found=found
        )
