"""The facts of a snapshot: all that hold, or those of the heads of which new records came."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cron.journal import segments
from cron.journal.journal import Journal
from cron.snapshot.tables import SnapshotTables

ALL_FACTS, CHANGED_FACTS = "facts", "changed_facts"


def add_facts(
    journal: Journal, records: pa.Table, through: int, tables: SnapshotTables, *, most: int
) -> None:
    """Write the facts, if some of the records are facts.

    Without new ones those of the parent still hold. If more than `most` of the records are facts,
    all facts that hold are written. Otherwise it is what is known of the heads of the new ones,
    withdrawn facts too, so that the trainer knows which heads lost their last fact.
    """
    new = records.filter(pc.equal(records["kind"], "fact"))
    if not new.num_rows:
        return
    if new.num_rows > most:
        latest = segments.latest_facts(journal.read_facts(through))
        valid = latest.filter(pc.invert(latest["withdrawn"]))
        tables.add(ALL_FACTS, _rows_of(valid).drop_columns("withdrawn"))
        return
    heads = pc.unique(new["item_id"])
    tables.add(
        CHANGED_FACTS, _rows_of(segments.latest_facts(journal.read_facts(through, heads=heads)))
    )


def _rows_of(latest: pa.Table) -> pa.Table:
    names = {"head": "item_id", "relation": "relation", "tail": "tail", "withdrawn": "withdrawn"}
    return pa.table({name: latest[column] for name, column in names.items()})
