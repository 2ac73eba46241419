"""The texts that may be shown, in memory: an event loop finds them without the ledger."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from copywriter.ready_text import ReadyText
from cron.ledger import ready_rows, text_changes
from cron.ledger.ledger import Ledger
from cron.ledger.text_changes import TextChanges

MOST = 50_000  # texts, of some 350 bytes each
# the clocks of two machines that write texts may differ by this much
CLOCKS = timedelta(minutes=2)


class TextIndex:
    """The newest texts of the live writer, and all that editors decided on.

    `refresh` blocks; `find` is for an event loop.
    """

    def __init__(self, ledger: Ledger, *, most: int = MOST) -> None:
        self._ledger = ledger
        self._most = most
        self._refreshing = threading.Lock()
        self._seen: TextChanges | None = None
        self._newest: datetime | None = None
        self._has_all = False
        self._written: dict[str, ReadyText] = {}
        self._edited: Mapping[str, ReadyText | None] = {}

    def refresh(self) -> None:
        """Read what changed since the last call; raise as the ledger does."""
        with self._refreshing:
            changes = text_changes.changes(self._ledger)
            if changes == self._seen:
                return
            if self._seen is None or changes.decided != self._seen.decided:
                self._read_all()
            else:
                self._read_new()
            self._seen = changes

    def find(self, digests: Sequence[str]) -> Mapping[str, ReadyText] | None:
        """Return the texts of briefs; None if the ledger may have one that is not here."""
        found: dict[str, ReadyText] = {}
        for digest in digests:
            if digest in self._edited:
                text = self._edited[digest]
            else:
                text = self._written.get(digest)
                if text is None and not self._has_all:
                    return None
            if text is not None:
                found[digest] = text
        return found

    def _read_all(self) -> None:
        edits = ready_rows.texts_by_editors(self._ledger)
        edited: dict[str, ReadyText | None] = {}
        for brief, text in edits.items():
            edited[brief] = None if text is None else ReadyText(text=text, source="editor")
        rows = ready_rows.texts_of_live_writer(self._ledger, at_most=self._most)
        written = {one.brief: ReadyText(text=one.text, source="writer") for one in reversed(rows)}
        self._has_all = False  # between the two next lines an absent text may be there
        self._edited, self._written = edited, written
        self._has_all = len(rows) < self._most
        self._newest = rows[0].made_at if rows else None

    def _read_new(self) -> None:
        """Add the newest texts; beyond the limit those that were added first make room."""
        since = None if self._newest is None else self._newest - CLOCKS
        rows = ready_rows.texts_of_live_writer(self._ledger, at_most=self._most, since=since)
        for one in reversed(rows):
            self._written[one.brief] = ReadyText(text=one.text, source="writer")
        if len(self._written) > self._most:
            for brief in list(self._written)[: -self._most]:
                del self._written[brief]
        self._has_all = self._has_all and len(self._written) < self._most
        if rows and (self._newest is None or rows[0].made_at > self._newest):
            self._newest = rows[0].made_at
