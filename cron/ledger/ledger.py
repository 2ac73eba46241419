"""The ledger: what was collected, which runs there were, which release is live. One row set, one truth.

Every method is one transaction. Writes that belong to a run name their lease, whose token is
checked in the same transaction. Knows nothing of files, servers or models: a release is a version
and its manifest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import sqlalchemy as sa

from cron.errors import UnknownVersion
from cron.ledger import database, lease_row, migrations, schema
from cron.ledger.runs_table import latest_skip, release_of, run_of, seconds_of
from cron.lineage import (
    Hold,
    Lease,
    Manifest,
    Outcome,
    Quality,
    Range,
    Reason,
    Release,
    Run,
    Segment,
    Serving,
    Switch,
    manifest_from_json,
    manifest_to_json,
    merged,
    reasons_to_json,
)
from cron.ports import Cursor
from trainer.config import Mode


def utc_now() -> datetime:
    """Return the time, aware UTC."""
    return datetime.now(UTC)


def open_ledger(url: str, *, now: Callable[[], datetime] = utc_now) -> Ledger:
    """Open the ledger at a database URL (SQLAlchemy's): made when it is new, brought up to date when it is older than we are."""
    return Ledger(migrations.open_up_to_date(url), now=now)


class Ledger:
    """See the module's docstring. `now` is the clock for the times that rows carry."""

    def __init__(self, engine: sa.Engine, *, now: Callable[[], datetime] = utc_now) -> None:
        self.engine = engine
        self.now = now
        self._reader, self._writer = database.reader(engine), database.writer(engine)

    def close(self) -> None:
        """Give back the connections."""
        self.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a reading transaction; raise Unavailable when the database does not answer, or its disk is full."""
        with database.answering(self.engine), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self, lease: Lease | None = None) -> Iterator[sa.Connection]:
        """Open a writing transaction, alone; raise LeaseLost when `lease` is no longer the newest, or Unavailable."""
        with database.answering(self.engine), self._writer.begin() as connection:
            if lease is not None:
                lease_row.check(connection, lease)
            yield connection

    # The journal

    def segments(self) -> tuple[Segment, ...]:
        """Return the journal's segments, ascending."""
        with self.read() as connection:
            rows = connection.execute(
                sa.select(schema.segments).order_by(schema.segments.c.first_seq)
            )
            return tuple(
                Segment(**{**row._mapping, "last_at": datetime.fromisoformat(row.last_at)})
                for row in rows
            )

    def log_cursor(self) -> Cursor:
        """Return the place in the event log after the newest segment."""
        with self.read() as connection:
            return Cursor(connection.execute(sa.select(schema.desk.c.log_cursor)).scalar_one())

    def last_seq(self) -> int:
        """Return the greatest journal number given, 0 before the first; dropped segments count."""
        with self.read() as connection:
            return int(connection.execute(sa.select(schema.desk.c.last_seq)).scalar_one())

    def commit_segment(self, segment: Segment | None, cursor: Cursor, lease: Lease) -> None:
        """Add a segment and move the log cursor, both or neither; without a segment (all duplicates) move the cursor only.

        Raise ValueError unless the segment starts right after the last number.
        """
        with self.write(lease) as connection:
            last_seq = connection.execute(sa.select(schema.desk.c.last_seq)).scalar_one()
            values: dict[str, object] = {"log_cursor": cursor}
            if segment is not None:
                if segment.first_seq != last_seq + 1 or segment.last_seq < segment.first_seq:
                    raise ValueError(
                        f"segment {segment.name} starts at {segment.first_seq}, expected {last_seq + 1}"
                    )
                connection.execute(schema.segments.insert().values(segment_row(segment)))
                values["last_seq"] = segment.last_seq
            connection.execute(schema.desk.update().values(values))

    def drop_segments(
        self, names: Sequence[str], *, kept: Segment | None = None, lease: Lease | None = None
    ) -> None:
        """Forget segments, putting `kept` (their compaction) in their place in the same transaction."""
        with self.write(lease) as connection:
            connection.execute(schema.segments.delete().where(schema.segments.c.name.in_(names)))
            if kept is not None:
                connection.execute(schema.segments.insert().values(segment_row(kept)))

    # The lease

    def acquire_lease(self, holder: str, ttl_s: float, now: datetime) -> Lease | None:
        """Take the lease when it is free, expired, or the holder's own (an earlier life's); None when another holds it."""
        with self.write() as connection:
            return lease_row.acquire(connection, holder, ttl_s, now)

    def renew_lease(self, lease: Lease, ttl_s: float, now: datetime) -> None:
        """Hold the lease longer; raise LeaseLost when another took it."""
        with self.write(lease) as connection:
            lease_row.renew(connection, ttl_s, now)

    def check_lease(self, lease: Lease) -> None:
        """Raise LeaseLost when another took the lease: before something is done that the ledger does not fence."""
        with self.read() as connection:
            lease_row.check(connection, lease)

    def lease_time(self) -> datetime:
        """Return the time by which leases run out: the database server's, so that hosts whose clocks differ agree; ours for a file."""
        with self.read() as connection:
            return lease_row.clock(connection) or self.now()

    def release_lease(self, lease: Lease) -> None:
        """Let another take the lease at once; a lease already lost is left alone."""
        with self.write() as connection:
            connection.execute(
                schema.lease.update().where(lease_row.is_held_by(lease)).values(holder="")
            )

    def lease_holder(self) -> str | None:
        """Return who holds the lease, expired or not; None when it was released."""
        with self.read() as connection:
            return connection.execute(sa.select(schema.lease.c.holder)).scalar_one() or None

    # Runs

    def start_run(self, mode: Mode, *, reason: Reason, supersedes: int | None, lease: Lease) -> Run:
        """Open a run; raise ValueError while another is open."""
        with self.write(lease) as connection:
            if (
                connection.execute(
                    sa.select(schema.runs.c.run_id).where(schema.runs.c.outcome.is_(None))
                ).first()
                is not None
            ):
                raise ValueError("a run is open already; it is continued or ended first")
            values = {
                "mode": mode,
                "reasons": reasons_to_json([reason]),
                "supersedes": supersedes,
                "started_at": self.now().isoformat(),
            }
            key = connection.execute(schema.runs.insert().values(values)).inserted_primary_key
            assert key is not None
            return run_of(
                connection.execute(
                    sa.select(schema.runs).where(schema.runs.c.run_id == key[0])
                ).one(),
                {},
            )

    def open_run(self) -> Run | None:
        """Return the run under way, or the one that a crash left open."""
        with self.read() as connection:
            row = connection.execute(
                sa.select(schema.runs).where(schema.runs.c.outcome.is_(None))
            ).first()
            return (
                run_of(row, seconds_of(connection, [row.run_id])[row.run_id])
                if row is not None
                else None
            )

    def record_step(
        self, run_id: int, step: str, output: Mapping[str, object], *, seconds: float, lease: Lease
    ) -> None:
        """Keep the output of a finished step; the first one recorded stays."""
        with self.write(lease) as connection:
            where = (schema.steps.c.run_id == run_id) & (schema.steps.c.step == step)
            if connection.execute(sa.select(schema.steps.c.step).where(where)).first() is None:
                values = {
                    "run_id": run_id,
                    "step": step,
                    "output": json.dumps(output, ensure_ascii=False),
                    "seconds": seconds,
                }
                connection.execute(schema.steps.insert().values(values))

    def step_output(self, run_id: int, step: str) -> dict[str, object] | None:
        """Return what a step recorded; None when it did not finish."""
        with self.read() as connection:
            where = (schema.steps.c.run_id == run_id) & (schema.steps.c.step == step)
            output = connection.execute(
                sa.select(schema.steps.c.output).where(where)
            ).scalar_one_or_none()
        return json.loads(output) if output is not None else None

    def finish_run(
        self,
        run_id: int,
        outcome: Outcome,
        *,
        reasons: Sequence[Reason],
        figures: Mapping[str, float],
        lease: Lease,
    ) -> Run:
        """End a run; its reasons replace the one it was started for, which comes first. What its steps recorded is forgotten."""
        with self.write(lease) as connection:
            where = schema.runs.c.run_id == run_id
            started_for = run_of(
                connection.execute(sa.select(schema.runs).where(where)).one(), {}
            ).reasons[:1]
            values = {
                "outcome": outcome,
                "reasons": reasons_to_json([*started_for, *reasons]),
                "figures": json.dumps(dict(figures)),
            }
            connection.execute(
                schema.runs.update().where(where).values(ended_at=self.now().isoformat(), **values)
            )
            connection.execute(
                schema.steps.update().where(schema.steps.c.run_id == run_id).values(output="{}")
            )
            row = connection.execute(sa.select(schema.runs).where(where)).one()
            return run_of(row, seconds_of(connection, [run_id])[run_id])

    def record_skip(self, reason: Reason, *, lease: Lease) -> Run:
        """Record a turn without a run; a turn skipped for the same reason as the one before only raises its count."""
        now = self.now().isoformat()
        with self.write(lease) as connection:
            latest = latest_skip(connection, reason.name)
            if latest is not None:
                values: dict[str, object] = {
                    "count": latest.count + 1,
                    "ended_at": now,
                    "reasons": reasons_to_json([reason]),
                }
                connection.execute(
                    schema.runs.update().where(schema.runs.c.run_id == latest.run_id).values(values)
                )
                run_id = latest.run_id
            else:
                values = {
                    "outcome": "skipped",
                    "started_at": now,
                    "ended_at": now,
                    "reasons": reasons_to_json([reason]),
                }
                key = connection.execute(schema.runs.insert().values(values)).inserted_primary_key
                assert key is not None
                run_id = key[0]
            return run_of(
                connection.execute(
                    sa.select(schema.runs).where(schema.runs.c.run_id == run_id)
                ).one(),
                {},
            )

    def runs(self, limit: int = 50) -> tuple[Run, ...]:
        """Return the newest runs, newest first."""
        with self.read() as connection:
            rows = connection.execute(
                sa.select(schema.runs).order_by(schema.runs.c.run_id.desc()).limit(limit)
            ).all()
            seconds = seconds_of(connection, [row.run_id for row in rows])
            return tuple(run_of(row, seconds[row.run_id]) for row in rows)

    def last_full(self) -> Run | None:
        """Return the last full retrain that was published or refused."""
        where = (schema.runs.c.mode == "full") & schema.runs.c.outcome.in_(["published", "refused"])
        with self.read() as connection:
            row = connection.execute(
                sa.select(schema.runs).where(where).order_by(schema.runs.c.run_id.desc()).limit(1)
            ).first()
            return (
                run_of(row, seconds_of(connection, [row.run_id])[row.run_id])
                if row is not None
                else None
            )

    # Releases

    def allot_version(self, run_id: int, *, lease: Lease) -> int:
        """Give a run its version, once: 0 to the first baseline, else the next number; numbers grow and are never reused."""
        with self.write(lease) as connection:
            run = connection.execute(
                sa.select(schema.runs).where(schema.runs.c.run_id == run_id)
            ).one()
            if run.version is not None:
                return int(run.version)
            is_first = (
                connection.execute(
                    sa.select(schema.runs.c.run_id).where(schema.runs.c.version.is_not(None))
                ).first()
                is None
            )
            version = int(
                connection.execute(
                    sa.select(schema.desk.c.next_version).with_for_update()
                ).scalar_one()
            )
            if run.mode == "baseline" and is_first:
                version = 0
            else:
                connection.execute(schema.desk.update().values(next_version=version + 1))
            connection.execute(
                schema.runs.update().where(schema.runs.c.run_id == run_id).values(version=version)
            )
            return version

    def add_release(self, manifest: Manifest, *, lease: Lease) -> None:
        """Enter an archive that was put; it becomes a release when it goes live. The same one again changes nothing."""
        with self.write(lease) as connection:
            where = schema.releases.c.version == manifest.version
            if (
                connection.execute(sa.select(schema.releases.c.version).where(where)).first()
                is None
            ):
                connection.execute(
                    schema.releases.insert().values(
                        version=manifest.version, manifest=manifest_to_json(manifest)
                    )
                )

    def archived(self, version: int) -> Manifest | None:
        """Return the manifest of an archive, released or not."""
        with self.read() as connection:
            where = schema.releases.c.version == version
            text = connection.execute(
                sa.select(schema.releases.c.manifest).where(where)
            ).scalar_one_or_none()
        return manifest_from_json(text) if text is not None else None

    def releases(self, newest: int | None = None) -> tuple[Release, ...]:
        """Return what is or was live, by ascending version: all, which may be a hundred thousand, or the newest so many."""
        return self._releases(schema.RELEASED, newest)

    def kept_releases(self) -> tuple[Release, ...]:
        """Return the releases whose archives are still there, by ascending version."""
        return self._releases(schema.RELEASED & schema.releases.c.archive_gone.is_(False))

    def _releases(
        self, where: sa.ColumnElement[bool], newest: int | None = None
    ) -> tuple[Release, ...]:
        with self.read() as connection:
            query = (
                sa.select(schema.releases)
                .where(where)
                .order_by(schema.releases.c.version.desc())
                .limit(newest)
            )
            return tuple(release_of(row) for row in reversed(connection.execute(query).all()))

    def release(self, version: int) -> Release:
        """Return one release; raise UnknownVersion."""
        with self.read() as connection:
            row = connection.execute(
                sa.select(schema.releases).where(
                    schema.RELEASED & (schema.releases.c.version == version)
                )
            ).first()
            if row is None:
                raise UnknownVersion(version, known=schema.newest_releases(connection))
        return release_of(row)

    def is_release(self, version: int) -> bool:
        """Tell whether a version is or was live."""
        with self.read() as connection:
            return (
                connection.execute(
                    sa.select(schema.RELEASED).where(schema.releases.c.version == version)
                ).scalar()
                is True
            )

    def live(self) -> Release | None:
        """Return the release that ought to answer; None before the first."""
        with self.read() as connection:
            where = schema.releases.c.version == sa.select(schema.desk.c.live).scalar_subquery()
            row = connection.execute(sa.select(schema.releases).where(where)).first()
        return release_of(row) if row is not None else None

    def anchor(self) -> Release | None:
        """Return the last full retrain up the live release's lineage, which may be itself."""
        live = self.live()
        return (
            self.release(live.manifest.anchor)
            if live is not None and live.manifest.anchor is not None
            else None
        )

    def rollback_candidates(self) -> tuple[Release, ...]:
        """Return the formerly live releases never rolled back from that have their archive: those before live first, latest first."""
        live = self.serving().live
        good = [
            one
            for one in reversed(self.kept_releases())
            if one.rolled_back_at is None and one.version != live
        ]
        return tuple(sorted(good, key=lambda one: live is not None and one.version > live))

    def previous_good(self) -> Release | None:
        """Return the release that `rollback` without a version puts back: the latest candidate before the live one, never a newer one."""
        live = self.serving().live
        return next(
            (one for one in self.rollback_candidates() if live is None or one.version < live), None
        )

    def mark_archive_gone(self, version: int, *, lease: Lease) -> bool:
        """Note that an archive is deleted, before it is; False for the version that is live by now, or about to be."""
        with self.write(lease) as connection:
            desk = connection.execute(sa.select(schema.desk).with_for_update()).one()
            if version not in (desk.live, desk.switching_to):
                connection.execute(
                    schema.releases.update()
                    .where(schema.releases.c.version == version)
                    .values(archive_gone=True)
                )
            return version not in (desk.live, desk.switching_to)

    def serving(self) -> Serving:
        """Return what the server ought to do now, in one look."""
        with self.read() as connection:
            row = connection.execute(sa.select(schema.desk)).one()
        switch = (
            Switch(version=row.switching_to, epoch=row.epoch, kind=row.switch_kind)
            if row.switching_to is not None
            else None
        )
        return Serving(live=row.live, switch=switch, epoch=row.epoch)

    def switching(self) -> Switch | None:
        """Return the change of the live version that is under way; `cron.ledger.switches` begins and ends them."""
        return self.serving().switch

    # Holds and exclusions

    def hold(self) -> Hold | None:
        """Return why publishing is paused; None when it is not."""
        with self.read() as connection:
            row = connection.execute(
                sa.select(schema.desk.c.hold_reason, schema.desk.c.hold_since)
            ).one()
        return (
            Hold(reason=row.hold_reason, since=datetime.fromisoformat(row.hold_since))
            if row.hold_reason is not None
            else None
        )

    def pause(self, reason: str) -> Hold:
        """Pause publishing; the first reason stays."""
        with self.write() as connection:
            connection.execute(hold_unless_held(reason, self.now()))
        hold = self.hold()
        return (
            hold if hold is not None else Hold(reason=reason, since=self.now())
        )  # resumed in between

    def resume(self, exclude: Sequence[Range] = ()) -> None:
        """Let publishing go on, and never train on the excluded journal numbers."""
        with self.write() as connection:
            connection.execute(schema.desk.update().values(hold_reason=None, hold_since=None))
            before = connection.execute(sa.select(schema.excluded)).all()
            connection.execute(schema.excluded.delete())
            ranges = merged([*((row.first_seq, row.last_seq) for row in before), *exclude])
            if ranges:
                connection.execute(
                    schema.excluded.insert(),
                    [{"first_seq": first, "last_seq": last} for first, last in ranges],
                )

    def excluded_ranges(self) -> tuple[Range, ...]:
        """Return the journal numbers never to be trained on, ascending and disjoint."""
        with self.read() as connection:
            rows = connection.execute(
                sa.select(schema.excluded).order_by(schema.excluded.c.first_seq)
            ).all()
        return tuple((row.first_seq, row.last_seq) for row in rows)

    # Figures

    def add_quality(self, rows: Sequence[Quality], *, lease: Lease) -> None:
        """Keep quality figures; the first ones of a run stay."""
        with self.write(lease) as connection:
            for row in rows:
                where = (
                    (schema.quality.c.run_id == row.run_id)
                    & (schema.quality.c.kind == row.kind)
                    & (schema.quality.c.model == row.model)
                )
                if (
                    connection.execute(sa.select(schema.quality.c.run_id).where(where)).first()
                    is None
                ):
                    values = {name: getattr(row, name) for name in row.__dataclass_fields__}
                    connection.execute(
                        schema.quality.insert().values({**values, "at": row.at.isoformat()})
                    )

    def quality(self, limit: int = 1000) -> tuple[Quality, ...]:
        """Return the newest quality figures, oldest first."""
        with self.read() as connection:
            rows = connection.execute(
                sa.select(schema.quality).order_by(schema.quality.c.run_id.desc()).limit(limit)
            ).all()
        return tuple(
            Quality(**{**row._mapping, "at": datetime.fromisoformat(row.at)})
            for row in reversed(rows)
        )

    def count(self, name: str, by: float = 1.0) -> None:
        """Raise a counter that outlives the process."""
        with self.write() as connection:
            where = schema.figures.c.name == name
            if (
                connection.execute(
                    schema.figures.update().where(where).values(value=schema.figures.c.value + by)
                ).rowcount
                == 0
            ):
                connection.execute(schema.figures.insert().values(name=name, value=by))

    def set_figure(self, name: str, value: float) -> None:
        """Keep a figure that outlives the process."""
        with self.write() as connection:
            connection.execute(schema.figures.delete().where(schema.figures.c.name == name))
            connection.execute(schema.figures.insert().values(name=name, value=value))

    def figures(self) -> dict[str, float]:
        """Return the counters and figures by name."""
        with self.read() as connection:
            return {row.name: row.value for row in connection.execute(sa.select(schema.figures))}


def hold_unless_held(reason: str, now: datetime) -> sa.Update:
    """Return the statement that sets a hold and leaves an earlier one."""
    return (
        schema.desk.update()
        .where(schema.desk.c.hold_reason.is_(None))
        .values(hold_reason=reason, hold_since=now.isoformat())
    )


def segment_row(segment: Segment) -> dict[str, object]:
    """Return a segment as a row of the table."""
    values = {name: getattr(segment, name) for name in segment.__dataclass_fields__}
    return {**values, "last_at": segment.last_at.astimezone(UTC).isoformat()}
