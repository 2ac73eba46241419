"""The files of a release: where they lie in the artifact store, and local copies of its bundle and optimiser state."""

from __future__ import annotations

from pathlib import Path

from cron.lineage import Manifest
from cron.parts import Parts
from trainer.archive import unpack_bundle

STATE = "state/optimizer.safetensors"  # in a candidate


def manifest_name(manifest: Manifest) -> str:
    """Return the artifact that holds the manifest itself; with it a version is whole."""
    return f"manifests/{manifest.archive.removesuffix('.mar')}.json"


def bundle_of(parts: Parts, manifest: Manifest) -> Path:
    """Return a local copy of a release's bundle, fetched and unpacked once."""
    folder = parts.paths.bundles / manifest.archive.removesuffix(".mar")
    if not (folder / "manifest.json").is_file():
        mar = folder.with_suffix(".mar")
        mar.parent.mkdir(parents=True, exist_ok=True)
        parts.artifacts.fetch(manifest.archive, mar)
        unpack_bundle(mar, folder)
        mar.unlink()
    return folder


def state_of(parts: Parts, manifest: Manifest) -> Path | None:
    """Return a local copy of a release's optimiser state; None when it has none."""
    if manifest.state is None:
        return None
    file = parts.paths.bundles / Path(manifest.state).name
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        parts.artifacts.fetch(manifest.state, file)
    return file
