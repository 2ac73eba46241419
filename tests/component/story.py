"""A ledger with a history: a baseline, three releases, a refused run, a rollback.

Written through the ledger's and the switches' own methods; only the files behind it don't exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cron.ledger import lease_row, metric_rows, release_rows, run_rows, switches
from cron.ledger.ledger import Ledger, open_ledger
from cron.lineage import Lease, Manifest, Quality, Reason
from recommender.config import BUNDLE_FORMAT
from trainer.config import Mode
from trainer.report import PopularItem

BEGAN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
POPULAR = tuple(PopularItem(item_id=str(number), title=f"Film {number}") for number in range(1, 21))
NOT_ACCEPTED = "NDCG@10 −.031, interval −.052 to −.011, limit −.010: not accepted"


@dataclass(slots=True)
class StoryClock:
    """A clock that a test moves."""

    now: datetime = BEGAN

    def __call__(self) -> datetime:
        return self.now

    def move(self, minutes: float) -> None:
        """Move on."""
        self.now += timedelta(minutes=minutes)


def tell(ledger_file: Path, *, now: StoryClock | None = None) -> Ledger:
    """Write the story up to release 3 live, after a refused run."""
    clock = now or StoryClock()
    ledger = open_ledger(f"sqlite:///{ledger_file}", now=clock)
    lease = lease_row.acquire(ledger, "story", 3600, clock())
    assert lease is not None
    publish(ledger, lease, "baseline", clock)
    publish(ledger, lease, "full", clock, ndcg=0.081)
    publish(ledger, lease, "update", clock, ndcg=0.086)
    refuse(ledger, lease, clock)
    publish(ledger, lease, "update", clock, ndcg=0.093)
    run_rows.record_skip(
        ledger,
        Reason(name="few_events", ok=False, text="not enough new events: 40 of 500"),
        lease=lease,
    )
    lease_row.release(ledger, lease)
    return ledger


def publish(
    ledger: Ledger, lease: Lease, mode: Mode, clock: StoryClock, *, ndcg: float | None = None
) -> None:
    """Add a run that published."""
    live = release_rows.live(ledger)
    supersedes = live.version if live else None
    run = run_rows.start(
        ledger,
        mode,
        reason=Reason(name="due", ok=True, text=f"a turn of mode {mode} was due"),
        supersedes=supersedes,
        lease=lease,
    )
    version = run_rows.allot_version(ledger, run.run_id, lease=lease)
    release_rows.add(
        ledger,
        manifest(
            version, run.run_id, mode, parent=supersedes if mode == "update" else None, at=clock()
        ),
        lease=lease,
    )
    run_rows.record_step(ledger, run.run_id, "train", "{}", seconds=12.5, lease=lease)
    if ndcg is not None:
        metric_rows.add_quality(ledger, quality(run.run_id, supersedes, ndcg, clock()), lease=lease)
    switch = switches.begin_publish(ledger, version, expected=supersedes, lease=lease)
    assert switches.end(ledger, switch)
    clock.move(5)
    reasons = [
        Reason(
            name="ndcg_live",
            ok=True,
            text="NDCG@10 +.004 over live, interval −.002 to +.010: accepted",
            value=0.004,
        )
    ]
    run_rows.finish(
        ledger, run.run_id, "published", reasons=reasons, metrics={"ndcg": ndcg or 0.0}, lease=lease
    )


def refuse(ledger: Ledger, lease: Lease, clock: StoryClock) -> None:
    """Add a run that the gate refused."""
    live = release_rows.live(ledger)
    supersedes = live.version if live else None
    run = run_rows.start(
        ledger,
        "update",
        reason=Reason(name="due", ok=True, text="1,000 new events"),
        supersedes=supersedes,
        lease=lease,
    )
    metric_rows.add_quality(ledger, quality(run.run_id, supersedes, 0.051, clock()), lease=lease)
    clock.move(5)
    reasons = [
        Reason(
            name="ndcg_live",
            ok=False,
            text=NOT_ACCEPTED,
            value=-0.031,
            low=-0.052,
            high=-0.011,
            limit=-0.01,
        )
    ]
    run_rows.finish(ledger, run.run_id, "refused", reasons=reasons, metrics={}, lease=lease)


def manifest(
    version: int, run_id: int, mode: Mode, *, parent: int | None, at: datetime
) -> Manifest:
    """Return the manifest of an archive that does not exist."""
    return Manifest(
        version=version,
        mode=mode,
        run_id=run_id,
        parent=parent,
        anchor=1 if version else None,
        supersedes=version - 1 if version else None,
        target_range=(version * 1000 + 1, version * 1000 + 1000) if version else None,
        trained_through=version * 1000 + 1000 if version else 0,
        items_through=1000,
        excluded=(),
        panel_share=0.05,
        archive=f"rec-{version}-0123456789ab.mar",
        archive_sha256="0123456789ab" + "0" * 52,
        state=None,
        bundle_digest="b" * 64,
        data_digest="d" * 64,
        code_digest="c" * 64,
        bundle_format=BUNDLE_FORMAT,
        created_at=at,
        config={},
        metrics={},
        libraries={},
        num_items=1682,
        popular=POPULAR,
    )


def quality(run_id: int, live: int | None, ndcg: float, at: datetime) -> list[Quality]:
    """Return the metrics of one run: candidate first, live close behind, popularity far behind."""
    rows = []
    for kind, model, value in (
        ("panel", "candidate", ndcg),
        ("panel", "live", ndcg - 0.004),
        ("panel", "popularity", 0.042),
        ("fresh", "live", ndcg - 0.006),
        ("fresh", "popularity", 0.040),
    ):
        rows.append(
            Quality(
                run_id=run_id,
                kind="panel" if kind == "panel" else "fresh",
                model=model,
                version=live if model == "live" else None,
                ndcg=value,
                rmse=0.98,
                num_users=61,
                num_events=1204,
                at=at,
            )
        )
    return rows
