"""The thumbnails of items: where they are, and their files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from cron.errors import ArtifactCorrupt, ArtifactMissing
from cron.pictures.thumbnail_files import ThumbnailFiles
from cron.ports import Histories

MAX_ITEMS = 200
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ItemPictures:
    """Reads what the worker stored. Threads may share it; every call may block.

    `find` returns the thumbnails of items by id, `find_more` those of their other pictures. The
    store of thumbnails is opened when the first is asked for.
    """

    def __init__(
        self,
        find: Callable[[Sequence[str]], Mapping[str, str]],
        find_more: Callable[[Sequence[str]], Mapping[str, Sequence[str]]],
        histories: Histories,
        open_files: Callable[[], ThumbnailFiles],
    ) -> None:
        self._find = find
        self._find_more = find_more
        self._histories = histories
        self._open_files = open_files

    def paths(self, item_ids: Sequence[str]) -> dict[str, str]:
        """Return the path on the gateway of each item's thumbnail, without hidden items."""
        found = self._find(item_ids)
        hidden = self._histories.hidden_among(list(found))
        shown = ((item_id, sha256) for item_id, sha256 in found.items() if item_id not in hidden)
        return {item_id: _path_of(sha256) for item_id, sha256 in shown}

    def more_paths(self, item_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the paths of items' other thumbnails, in order, without hidden items."""
        found = self._find_more(item_ids)
        hidden = self._histories.hidden_among(list(found))
        shown = (item_id for item_id in found if item_id not in hidden)
        return {item_id: tuple(map(_path_of, found[item_id])) for item_id in shown}

    def all_paths(self, item_id: str) -> tuple[str, ...]:
        """Return the paths of an item's thumbnails, the main one first; none of a hidden one."""
        main, more = self.paths([item_id]), self.more_paths([item_id])
        return (*main.values(), *more.get(item_id, ()))

    def file(self, sha256: str) -> Path | None:
        """Return a thumbnail's file; None if there is none. Raise Unavailable."""
        if _SHA256.fullmatch(sha256) is None:
            return None
        try:
            return self._files.path(sha256)
        except (ArtifactMissing, ArtifactCorrupt):
            return None

    def thumbnail(self, item_id: str) -> bytes | None:
        """Return the thumbnail of an item; None if it has none. Raise Unavailable."""
        sha256 = self._find([item_id]).get(item_id)
        file = self.file(sha256) if sha256 is not None else None
        return file.read_bytes() if file is not None else None

    @cached_property
    def _files(self) -> ThumbnailFiles:
        return self._open_files()


def _path_of(sha256: str) -> str:
    return f"/v1/pictures/{sha256}.jpg"
