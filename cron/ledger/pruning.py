"""What the ledger lets go: rows that no decision, page or lineage needs, so that it stops growing with the number of runs.

Lineage stays for ever: a release keeps its manifest. Of a run the newest KEPT_RUNS stay with their
reasons and figures; of the older ones only how many ended in which way. Outputs of steps, which
continue an open run, are emptied when the run ends (`Ledger.finish_run`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import sqlalchemy as sa

from cron.ledger import database, schema
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Manifest, manifest_to_json

KEPT_RUNS = 5_000  # a week of turns every two minutes, each with 6 KB of reasons and figures: 30 MB
# + an outcome: how many turns that are pruned ended so, kept with the ledger's figures
ENDED = "ended:"
_SLACK = 0.02  # so many more before the oldest go: now and then, not at each turn
_WASTE_BYTES = 16 << 20  # free pages in the file that are worth writing it anew


def prune(ledger: Ledger, *, lease: Lease, keep: int = KEPT_RUNS) -> int:
    """Forget the runs, with their steps and quality figures, that are older than the newest `keep`; return how many.

    The last full retrain stays, and the last run that was given a version.
    """
    runs = schema.runs.c
    with ledger.write(lease) as connection:
        newest = sa.select(runs.run_id).order_by(runs.run_id.desc())
        first_kept = connection.execute(newest.offset(keep - 1).limit(1)).scalar()
        has_slack = (
            connection.execute(newest.offset(keep + int(_SLACK * keep)).limit(1)).scalar() is None
        )
        if first_kept is None or has_slack:
            return 0
        needed = [
            sa.select(sa.func.max(runs.run_id)).where(runs.version.is_not(None)),
            sa.select(sa.func.max(runs.run_id)).where(
                (runs.mode == "full") & runs.outcome.in_(["published", "refused"])
            ),
        ]
        kept = {connection.execute(query).scalar() for query in needed} - {None}
        old = (runs.run_id < first_kept) & runs.outcome.is_not(None) & runs.run_id.not_in(kept)
        _count_ended(connection, old)
        run_ids = sa.select(runs.run_id).where(old)
        for table in (schema.steps, schema.quality):
            connection.execute(table.delete().where(table.c.run_id.in_(run_ids)))
        return int(connection.execute(schema.runs.delete().where(old)).rowcount)


def slim_release(ledger: Ledger, manifest: Manifest, *, lease: Lease) -> None:
    """Forget the popular items of a release whose archive goes: they are the fallback of the live one, and most of a manifest."""
    with ledger.write(lease) as connection:
        row = schema.releases.c.version == manifest.version
        slim = manifest_to_json(replace(manifest, popular=()))
        connection.execute(
            schema.releases.update()
            .where(row & schema.releases.c.archive_gone)
            .values(manifest=slim)
        )


def give_back_disk(ledger: Ledger) -> bool:
    """Write a SQLite file anew when most of it is free pages; tell whether it was. PostgreSQL does so by itself (autovacuum)."""
    if ledger.engine.dialect.name != "sqlite":
        return False
    with database.errors_translated(ledger.engine):
        connection = ledger.engine.raw_connection()
        try:
            pages, free, size_bytes = (
                connection.cursor().execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
            is_worth_it = 2 * free > pages and free * size_bytes > _WASTE_BYTES
            if is_worth_it:
                connection.cursor().execute("VACUUM")
            return bool(is_worth_it)
        finally:
            connection.close()


def count_by_outcome(ledger: Ledger) -> dict[str, int]:
    """Return how many turns ended with each outcome, pruned ones included."""
    runs = schema.runs.c
    query = sa.select(runs.outcome, sa.func.sum(runs["count"])).group_by(runs.outcome)
    with ledger.read() as connection:
        numbers = Counter(_pruned_by_outcome(connection))
        numbers.update({str(outcome): int(number) for outcome, number in connection.execute(query)})
        return numbers


def _pruned_by_outcome(connection: sa.Connection) -> dict[str, int]:
    metrics = schema.metrics.c
    rows = connection.execute(
        sa.select(metrics.name, metrics.value).where(metrics.name.startswith(ENDED))
    )
    return {row.name.removeprefix(ENDED): int(row.value) for row in rows}


def _count_ended(connection: sa.Connection, old: sa.ColumnElement[bool]) -> None:
    """Add the turns that are about to be forgotten to those that were: a counter never falls."""
    runs, metrics = schema.runs.c, schema.metrics
    known = _pruned_by_outcome(connection)
    query = sa.select(runs.outcome, sa.func.sum(runs["count"])).where(old).group_by(runs.outcome)
    for outcome, number in connection.execute(query).all():
        name = f"{ENDED}{outcome}"
        connection.execute(metrics.delete().where(metrics.c.name == name))
        connection.execute(
            metrics.insert().values(name=name, value=known.get(outcome, 0) + int(number))
        )
