"""Pictures that came in records as bytes become artifacts; the journal has their names.

The log has the bytes until it is trimmed. Everything else has the name, which is made from the
sha256 of the bytes, so that all who see the record know it without asking the store.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from cron.ports import ArtifactStore
from recommender.records.events import Item, Record, without_picture_bytes
from recommender.records.images import inline_bytes, sent_name


class SentPictures:
    """Stores the pictures of records; `folder` is for temporary files."""

    def __init__(self, artifacts: ArtifactStore, folder: Path) -> None:
        self._artifacts = artifacts
        self._folder = folder

    def store(self, records: Sequence[Record]) -> list[Record]:
        """Store what came as bytes, and return the records with names; raise Unavailable.

        After a crash the same records come again, and the same names get the same bytes.
        """
        return [self._without_bytes(record) for record in records]

    def _without_bytes(self, record: Record) -> Record:
        if not isinstance(record, Item):
            return record
        for image in record.images:
            content = inline_bytes(image)
            if content is not None:
                self._put(content)
        return without_picture_bytes(record)

    def _put(self, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix="sent-") as file:
            file.write(content)
            file.flush()
            self._artifacts.put(sent_name(content), Path(file.name))
