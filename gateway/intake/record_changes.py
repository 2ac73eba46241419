"""Changes of records that are known: one after another, and never of an outdated record."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from cron.errors import FreshetError, Unavailable
from gateway.intake.record_intake import RecordIntake
from recommender.records.events import Description

_SOONEST = timedelta(microseconds=1)


class StillFilling(Unavailable):
    """The newest records of items are not known yet."""

    def __init__(self) -> None:
        FreshetError.__init__(
            self,
            "the item records are being filled from the journal, after an upgrade or a loss, so "
            "there is nothing to change yet; send it again in some minutes",
        )


class RecordChanges:
    """Stores records that change known ones. Threads may share it.

    `new_id` makes the id of a record, and `is_filling` says that the newest are not known yet.
    """

    def __init__(
        self, intake: RecordIntake, *, new_id: Callable[[], str], is_filling: Callable[[], bool]
    ) -> None:
        self._intake = intake
        self._is_filling = is_filling
        self._one_at_a_time = threading.Lock()
        self.new_id = new_id

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let one change read a record and add the next; raise Unavailable."""
        with self._one_at_a_time:
            if self._is_filling():
                # an older record than the newest would win, with the change's own time
                raise StillFilling()
            self._intake.catch_up()  # or the change would undo one that was answered already
            yield

    def add(self, record: Description) -> None:
        """Store the record of a change; raise Unavailable."""
        self._intake.add(record)


def moment_after(at: datetime) -> datetime:
    """Return the present, or the moment after a record whose sender's clock is ahead."""
    return max(datetime.now(UTC), at + _SOONEST)
