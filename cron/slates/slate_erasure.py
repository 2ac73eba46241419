"""Find the slates of forgotten users, and erase them from the segments.

Nothing of an erased slate stays: no other record depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cron.epoch import micros
from cron.ledger import slate_rows
from cron.ledger.forgotten import Mark
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.slates.slate_files import SlateFiles
from cron.user_keys import UserKeys

COLUMNS = ("user_id", "session_id", "at_us")  # needed to recognise an erased slate
# The gateway's clock says when a slate was made, and another one when its user was forgotten. What
# a returning visitor is shown in the first minutes is lost too.
CLOCK_SLACK = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlateEraser:
    """The marks of forgotten users, and the hashes by which their slates are found."""

    marks: Sequence[Mark]
    keys: UserKeys

    def without(self, table: pa.Table) -> pa.Table:
        """Return the rows that are not of forgotten users; `table` has at least COLUMNS.

        A visitor without a user id is forgotten by the id of the session.
        """
        if not self.marks or table.num_rows == 0:
            return table
        up_to_us = {mark.user_key: micros(mark.up_to + CLOCK_SLACK) for mark in self.marks}
        who = pc.coalesce(table["user_id"], table["session_id"])
        users = who.combine_chunks().dictionary_encode()
        user_ids = users.dictionary.to_pylist()
        # one more, for visitors without an id
        up_to_U = np.full(len(user_ids) + 1, np.iinfo(np.int64).min, np.int64)
        for user, user_id in enumerate(user_ids):
            up_to_U[user] = up_to_us.get(self.keys.of_user(user_id), up_to_U[user])
        user_N = users.indices.fill_null(len(user_ids)).to_numpy(zero_copy_only=False)
        kept_N = table["at_us"].to_numpy() > up_to_U[user_N]
        return table if kept_N.all() else table.filter(pa.array(kept_N))


def erase_slates(ledger: Ledger, files: SlateFiles, eraser: SlateEraser, *, lease: Lease) -> int:
    """Erase slates from every segment that has some; return how many. Raise LeaseLost."""
    num_erased = 0
    for segment in slate_rows.segments(ledger):
        seen = files.read(segment, COLUMNS)
        if eraser.without(seen).num_rows == seen.num_rows:
            continue
        left = eraser.without(files.read(segment))
        kept = files.put(left, lease=lease) if left.num_rows else None
        slate_rows.replace(ledger, [segment.name], kept=kept, lease=lease)
        num_erased += segment.num_slates - left.num_rows
    return num_erased
