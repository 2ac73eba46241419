"""Local copies of the files of a release, fetched from the artifact store and verified.

A local copy is verified against the ledger's digests each time it is used, and fetched again if it
is damaged.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from cron.errors import ArtifactCorrupt
from cron.lineage import Manifest
from cron.local.disk_errors import translate_os_errors
from cron.ports import ArtifactStore
from recommender.arrays.bases import CONTENT, base_names, link_or_copy, link_tree, needed_by
from trainer.archive import ArchiveError, bundle_digest, unpack_bundle, verify_bundle
from trainer.machine import durable_files
from trainer.machine.durable_files import sha256_of

STATE = "state/optimizer.safetensors"  # in a candidate
_COPIES = "the local copies of releases"


def manifest_name(manifest: Manifest) -> str:
    """Return the name of the manifest's own artifact, which completes a version."""
    return f"manifests/{manifest.archive.removesuffix('.mar')}.json"


def bundle_of(artifacts: ArtifactStore, bundles: Path, manifest: Manifest) -> Path:
    """Return a verified copy, in the folder `bundles`, of a release's bundle.

    Raise ArtifactMissing or ArtifactCorrupt if the store has none.
    """
    folder = bundles / manifest.archive.removesuffix(".mar")
    with translate_os_errors(_COPIES, folder):
        if not _is_bundle(folder, manifest):
            shutil.rmtree(folder, ignore_errors=True)
            _unpack(artifacts, manifest, folder)
    return folder


def base_name(digest: str) -> str:
    """Return the name of the artifact that is a base or a layer of a large array."""
    return f"{CONTENT}/{digest}"


def state_of(artifacts: ArtifactStore, bundles: Path, manifest: Manifest) -> Path | None:
    """Return a verified copy of a release's optimiser state; None when it has none.

    The bases and layers of its large arrays are in `content/` beside it.
    """
    if manifest.state is None:
        return None
    file = bundles / Path(manifest.state).name
    with translate_os_errors(_COPIES, file):
        # A manifest from before this digest was recorded has none: the state is fetched each time.
        digest = sha256_of(file) if file.is_file() else None
        if digest is None or digest != manifest.state_sha256:
            artifacts.fetch(manifest.state, file, sha256=manifest.state_sha256)
        for base in needed_by(file):
            _local_base(artifacts, bundles, base)
    return file


def keep_copies(bundles: Path, candidate: Path, manifest: Manifest) -> None:
    """Make the files of a candidate the local copies of its release, where there are none yet.

    They have the same bytes as its artifacts, which then need not be fetched for the next update.
    """
    folder = bundles / manifest.archive.removesuffix(".mar")
    with translate_os_errors(_COPIES, folder):
        durable_files.make_folder(bundles)
        for part in ("bundle", "state"):
            for digest in base_names(candidate / part):
                link_or_copy(candidate / part / CONTENT / digest, bundles / CONTENT / digest)
                durable_files.sync(bundles / CONTENT)
        if manifest.state is not None:
            link_or_copy(candidate / STATE, bundles / Path(manifest.state).name)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=bundles, prefix=".kept-") as private:
                link_tree(candidate / "bundle", Path(private) / "bundle")
                durable_files.sync_tree(Path(private) / "bundle")
                durable_files.move(Path(private) / "bundle", folder)


def _is_bundle(folder: Path, manifest: Manifest) -> bool:
    """Return whether a folder contains exactly the release's bundle."""
    try:
        verify_bundle(folder)
    except ArchiveError:
        return False
    return bundle_digest(folder) == manifest.bundle_digest


def _unpack(artifacts: ArtifactStore, manifest: Manifest, folder: Path) -> None:
    mar = folder.with_suffix(".mar")
    durable_files.make_folder(mar.parent)
    try:
        artifacts.fetch(manifest.archive, mar, sha256=manifest.archive_sha256)
        unpack_bundle(
            mar,
            folder,
            get_base=lambda digest, target: link_or_copy(
                _local_base(artifacts, folder.parent, digest), target
            ),
        )
    finally:
        mar.unlink(missing_ok=True)
    found = bundle_digest(folder)
    if found != manifest.bundle_digest:
        raise ArtifactCorrupt(
            f"{manifest.archive}, bundle", expected=manifest.bundle_digest, found=found
        )


def _local_base(artifacts: ArtifactStore, bundles: Path, digest: str) -> Path:
    """Return a verified copy of a base or layer, to which bundles and snapshots link."""
    file = bundles / CONTENT / digest
    if not file.is_file() or sha256_of(file) != digest:
        artifacts.fetch(base_name(digest), file, sha256=digest)
    return file
