"""Files of thumbnails, in the artifact store by their sha256 and on this machine."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from cron.local.disk_errors import translate_os_errors
from cron.ports import ArtifactStore
from recommender.records.images import ARTIFACTS

THUMBNAILS = f"{ARTIFACTS}thumbnails/"
_WHAT = "the folder of thumbnails"


def thumbnail_name(sha256: str) -> str:
    """Return the name of a thumbnail in the artifact store, in one of 256 folders."""
    return f"{THUMBNAILS}{sha256[:2]}/{sha256}.jpg"


class ThumbnailFiles:
    """Thumbnails of one artifact store; `folder` has copies of those of a store elsewhere."""

    def __init__(self, artifacts: ArtifactStore, folder: Path) -> None:
        self._artifacts = artifacts
        self._folder = folder

    def put(self, content: bytes) -> str:
        """Store a thumbnail and return its sha256; raise Unavailable."""
        sha256 = hashlib.sha256(content).hexdigest()
        with translate_os_errors(_WHAT, self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, prefix="new-") as file:
                file.write(content)
                file.flush()
                self._artifacts.put(thumbnail_name(sha256), Path(file.name))
        return sha256

    def delete(self, sha256: str) -> None:
        """Delete a thumbnail from the store and from here; raise Unavailable."""
        self._artifacts.delete(thumbnail_name(sha256))
        with translate_os_errors(_WHAT, self._folder):
            self._copy(sha256).unlink(missing_ok=True)

    def path(self, sha256: str) -> Path:
        """Return a file with the thumbnail; raise ArtifactMissing, ArtifactCorrupt, Unavailable.

        It may be shared: it is never to be changed.
        """
        name = thumbnail_name(sha256)
        folder = self._artifacts.folder()
        if folder is not None and (folder / name).is_file():
            return folder / name
        copy = self._copy(sha256)
        if not copy.is_file():
            self._artifacts.fetch(name, copy, sha256=sha256)
        return copy

    def _copy(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / f"{sha256}.jpg"
