"""Removes old rows of runs, so that the ledger does not grow with every run.

Lineage stays forever: a release keeps its manifest. The newest KEPT_RUNS runs keep their reasons
and metrics; of the older ones only the number per outcome stays. Outputs of steps, needed only to
continue an open run, are emptied when the run ends (`run_rows.finish`).
"""

from __future__ import annotations

from collections import Counter

import msgspec
import sqlalchemy as sa

from cron.ledger import database, schema
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Manifest, manifest_to_json

KEPT_RUNS = 5_000  # a week of turns every two minutes, each with 6 KB of reasons and metrics: 30 MB
# followed by an outcome: how many pruned turns ended with it; one of the ledger's metrics
ENDED = "ended:"
_SLACK = 0.02  # share of rows above the limit before the oldest are removed: not at every turn
_WASTE_BYTES = 16 << 20  # free pages in the file that make rewriting it worthwhile


def prune(ledger: Ledger, *, lease: Lease, keep: int = KEPT_RUNS) -> int:
    """Remove all runs but the newest `keep`, with their steps and quality; return how many.

    The last full retrain stays, and the last run that got a version.
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
    """Remove what the manifest of a release whose archive is deleted no longer needs.

    The popular items, which only the live release needs, as its fallback, and the digests of bases
    and layers, some hundreds for a large catalogue, are most of a manifest.
    """
    with ledger.write(lease) as connection:
        row = schema.releases.c.version == manifest.version
        slim = manifest_to_json(msgspec.structs.replace(manifest, popular=(), bases=()))
        connection.execute(
            schema.releases.update()
            .where(row & schema.releases.c.archive_gone)
            .values(manifest=slim)
        )


def give_back_disk(ledger: Ledger) -> bool:
    """Rewrite an SQLite file that is mostly free pages; tell whether it was rewritten.

    PostgreSQL does so by itself (autovacuum).
    """
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
    """Return the number of turns per outcome, including the pruned ones."""
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
    """Add the turns that are about to be removed to the counts, which never fall."""
    runs, metrics = schema.runs.c, schema.metrics
    known = _pruned_by_outcome(connection)
    query = sa.select(runs.outcome, sa.func.sum(runs["count"])).where(old).group_by(runs.outcome)
    for outcome, number in connection.execute(query).all():
        name = f"{ENDED}{outcome}"
        connection.execute(metrics.delete().where(metrics.c.name == name))
        connection.execute(
            metrics.insert().values(name=name, value=known.get(outcome, 0) + int(number))
        )
