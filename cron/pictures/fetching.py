"""One picture: from its name to its thumbnail in the artifact store."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cron.errors import ArtifactCorrupt, ArtifactMissing, BadPicture
from cron.ledger.picture_rows import FetchedPicture, WaitingPicture
from cron.local.disk_errors import translate_os_errors
from cron.pictures.addresses import Resolve, look_up
from cron.pictures.originals import Original
from cron.pictures.places import ARTIFACTS, FILES, hosts_of, place_of
from cron.pictures.thumbnail_files import ThumbnailFiles
from cron.pictures.thumbnails import thumbnail_of
from cron.pictures.web import WebRules, fetch_web
from cron.ports import ArtifactStore
from cron.settings.tree import PictureSettings
from recommender.records.images import artifact_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFetcher:
    """Fetches pictures from where the settings allow it. Threads may share it.

    `resolve` looks up hosts.
    """

    settings: PictureSettings
    artifacts: ArtifactStore
    files: ThumbnailFiles
    resolve: Resolve = look_up

    def fetch(self, picture: WaitingPicture) -> FetchedPicture:
        """Store a picture's thumbnail, if it is new or changed; raise BadPicture or Unavailable."""
        source, settings, known = picture.source, self.settings, None
        if picture.thumbnail is not None:
            known = Original(etag=picture.etag, modified=picture.modified)
        read = {FILES: self._from_folder, ARTIFACTS: self._from_store}
        found = read.get(place_of(source), self._from_web)(source, known)
        thumbnail = picture.thumbnail
        if found is not None:
            small = thumbnail_of(
                found.content,
                side_px=settings.thumbnail_px,
                max_pixels=int(settings.max_megapixels * 1e6),
            )
            thumbnail = self.files.put(small)
        original = found or known or Original()
        return FetchedPicture(
            source=source, thumbnail=thumbnail, etag=original.etag, modified=original.modified
        )

    def _from_web(self, url: str, known: Original | None) -> Original | None:
        settings = self.settings
        rules = WebRules(
            hosts=hosts_of(settings.hosts),
            private_hosts=hosts_of(settings.private_hosts),
            max_bytes=self._max_bytes,
            timeout_s=settings.timeout_s,
            resolve=self.resolve,
        )
        return fetch_web(url, rules, known)

    def _from_folder(self, url: str, known: Original | None) -> Original | None:
        """Read a file of the allowed folder, whose links may not lead out of it."""
        if self.settings.folder is None:
            raise BadPicture("pictures.folder is not set, so no file may be read")
        folder, path = Path(self.settings.folder), Path(unquote(urlsplit(url).path))
        try:
            real = path.resolve(strict=True)
            if not real.is_relative_to(folder.resolve()):
                raise BadPicture(f"{path} is not in pictures.folder, {folder}")
            if not real.is_file():
                raise BadPicture(f"{path} is not a file")
            modified = f"{real.stat().st_mtime_ns} {real.stat().st_size}"
            if known is not None and known.modified == modified:
                return None
            return Original(content=self._bytes_of(real), modified=modified)
        except (OSError, ValueError, RuntimeError) as error:
            raise BadPicture(f"{path} can't be read ({error})") from error

    def _from_store(self, source: str, _: Original | None) -> Original:
        name = artifact_of(source)
        assert name is not None
        with (
            translate_os_errors("the folder of temporary files", Path(tempfile.gettempdir())),
            tempfile.TemporaryDirectory(prefix="freshet-") as folder,
        ):
            file = Path(folder) / "picture"
            try:
                self.artifacts.fetch(name, file)
            except (ArtifactMissing, ArtifactCorrupt) as error:
                raise BadPicture(str(error)) from error
            return Original(content=self._bytes_of(file))

    def _bytes_of(self, file: Path) -> bytes:
        size_bytes = file.stat().st_size
        if size_bytes > self._max_bytes:
            raise BadPicture(f"it has {size_bytes:,} bytes, and at most {self._max_bytes:,} count")
        return file.read_bytes()

    @property
    def _max_bytes(self) -> int:
        return int(self.settings.max_mb * 1e6)
