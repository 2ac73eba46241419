"""The texts that are ready, for the gateway; what it showed, and what it lacked."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence

from copywriter.brief import Brief
from copywriter.ready_text import CopySource, ReadyText
from cron.copy.text_index import TextIndex
from cron.errors import FreshetError
from cron.ledger import copy_cost_rows, copy_rows, wanted_rows
from cron.ledger.ledger import Ledger

log = logging.getLogger(__name__)

FLUSH_S = 5.0
_MOST_WAITING = 10_000  # different briefs between two flushes; more are not counted


class ReadyTexts:
    """Finds texts in memory or reads them from the ledger; stores counts of them in a thread."""

    def __init__(
        self, ledger: Ledger, *, has_writer: bool = True, flush_s: float = FLUSH_S
    ) -> None:
        self._ledger = ledger
        self._has_writer = has_writer
        self._flush_s = flush_s
        self._index = TextIndex(ledger)
        self._lock = threading.Lock()
        self._wanted: dict[str, Brief] = {}
        self._times: Counter[str] = Counter()
        self._shown: Counter[CopySource] = Counter()
        self._is_closed = threading.Event()
        self._thread: threading.Thread | None = None

    def texts(self, digests: Sequence[str]) -> Mapping[str, ReadyText]:
        """Return the texts of briefs that may be shown now; it blocks for one query.

        There are none while the ledger is away, so that answers have templates.
        """
        try:
            return copy_rows.ready(self._ledger, digests)
        except FreshetError as error:
            log.warning("no texts read; templates are shown", extra={"why": str(error)})
            return {}

    def texts_at_once(self, digests: Sequence[str]) -> Mapping[str, ReadyText] | None:
        """Return what `texts` returns, for an event loop; None where a thread must ask."""
        return self._index.find(digests)

    def refresh(self) -> None:
        """Read what changed, for `texts_at_once`; it blocks, and raises as the ledger does."""
        self._index.refresh()

    @property
    def has_writer(self) -> bool:
        """Whether there is somebody who writes what is wanted."""
        return self._has_writer

    def want(self, briefs: Mapping[str, Brief], *, times: int = 1) -> None:
        """Note briefs, by digest, that are shown without a text of a writer; it returns at once.

        Those that may be shown later are wanted 0 times: they are written after the others.
        """
        if not self._has_writer:
            return
        with self._lock:
            for digest, brief in briefs.items():
                if digest in self._wanted or len(self._wanted) < _MOST_WAITING:
                    self._wanted[digest] = brief
                    self._times[digest] += times
            self._keep_flushing()

    def count_shown(self, texts: Sequence[ReadyText]) -> None:
        """Count texts that are shown, by who wrote them; it returns at once."""
        with self._lock:
            self._shown.update(text.source for text in texts)
            self._keep_flushing()

    def flush(self) -> None:
        """Store the counts; what the ledger does not take is given up."""
        with self._lock:
            wanted, self._wanted = self._wanted, {}
            times, self._times = self._times, Counter()
            shown, self._shown = self._shown, Counter()
        try:
            if wanted:
                num_wanted = {brief: times[digest] for digest, brief in wanted.items()}
                wanted_rows.add(self._ledger, num_wanted)
            if shown:
                copy_cost_rows.count_shown(self._ledger, shown)
        except FreshetError as error:
            log.warning("shown and wanted texts not noted", extra={"why": str(error)})

    def close(self) -> None:
        """Store the last counts and end the thread."""
        self._is_closed.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _keep_flushing(self) -> None:
        """Start the thread with the first count; the lock is held."""
        if self._thread is None and not self._is_closed.is_set():
            self._thread = threading.Thread(target=self._flush_often, daemon=True)
            self._thread.start()

    def _flush_often(self) -> None:
        while not self._is_closed.wait(self._flush_s):
            self.flush()
