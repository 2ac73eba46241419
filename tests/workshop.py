"""A whole worker in one folder: embedded back ends, the real trainer, a fake server.

Everything is on disk, so that the same folder can be opened again by another process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from cron.backends.artifacts.folder import open_artifacts
from cron.backends.sqlite.events import SqliteEventLog, open_log
from cron.backends.sqlite.histories import SqliteHistories, open_histories
from cron.backends.sqlite.item_records import SqliteItemRecords, open_item_records
from cron.errors import Stopped, TrainingFailed
from cron.journal.journal import Journal
from cron.ledger import lease_row, release_rows, schema
from cron.ledger.forgotten import keys_of
from cron.ledger.ledger import Ledger, open_ledger
from cron.lineage import Lease
from cron.ports import TrainLauncher
from cron.services import Paths, Services
from cron.settings.tree import GateSettings, ReleaseSettings, Settings
from cron.settings.worker_settings import WorkerSettings
from cron.wiring import open_machines
from recommender.config import EncoderConfig, ModelConfig
from recommender.records.events import Event, Item, Record
from tests.fakes import FakeServer
from tests.planted import NUM_ITEMS, planted_items, write_tiny_encoder
from trainer.__main__ import main as trainer_main
from trainer.config import TrainConfig, dump_config

START = datetime(2026, 1, 1, tzinfo=UTC)
HOLDER = "test"
# always the same panel: of sixty users thirteen, about as many even as odd
PANEL_SECRET = "of the workshop 14"


class HereLauncher:
    """Runs the real trainer in this process: a second instead of five."""

    def __init__(self, texts: Path) -> None:
        self._texts = texts
        self.is_stopped = False
        self.num_trainings = 0

    def train(self, snapshot: Path, config: TrainConfig, out: Path, *, limit_s: float) -> Path:
        """Train, unless the candidate is there."""
        if self.is_stopped:
            raise Stopped
        if not (out / "report.json").is_file():
            config_file = out.parent / "config.json"
            dump_config(config, config_file)
            paths = {
                "--snapshot": snapshot,
                "--config": config_file,
                "--out": out,
                "--text-cache": self._texts,
            }
            status = trainer_main(
                [text for name, path in paths.items() for text in (name, str(path))]
            )
            self.num_trainings += 1
            if status != 0:
                raise TrainingFailed(
                    exit_status=status,
                    limit_s=limit_s,
                    log=out.parent / "trainer.log",
                    tail="see above",
                )
        return out

    def stop(self) -> None:
        """Start no more."""
        self.is_stopped = True

    def cancel(self) -> None:
        """Do nothing: a training here is over before anyone could."""


# A panel of 13 users says nothing about a loss of .01: where the gate is not what is tested, it
# lets everything finite pass.
EASY = GateSettings(
    min_users=5,
    min_events=20,
    min_panel_share=0.2,
    resamples=100,
    probe_p99_ms=60_000,
    live_tolerance=1.0,
    anchor_tolerance=1.0,
    older_tolerance=1.0,
    popularity_margin=-1.0,
    rating_tolerance=1.0,
    min_coverage_ratio=0.0,
)


def small_settings(encoder: Path) -> Settings:
    """Return settings with which a planted run takes about a second."""
    return Settings(
        worker=WorkerSettings(
            min_events=40,
            after_events=80,
            interval_s=3600,
            poll_s=0.05,
            lease_s=5,
            refusal_backoff_s=0.0,
            full_share=0.0,
        ),
        gate=EASY,
        release=ReleaseSettings(keep_registered=2, keep_releases=4),
        train=TrainConfig(
            encoder=EncoderConfig(model=str(encoder), max_tokens=32),
            model=ModelConfig(
                tower="lstm",
                text_dim=8,
                dim=16,
                num_layers=1,
                num_heads=1,
                max_history=20,
                dropout=0.0,
            ),
            full_epochs=6,
            full_lr=1e-2,
            update_epochs=1,
        ),
    )


def open_workshop(
    folder: Path, *, settings: Settings | None = None, launcher: TrainLauncher | None = None
) -> Services:
    """Open or create a workshop in a folder; a copy keeps the encoder of the original."""
    noted = folder / "encoder.txt"
    if not noted.is_file():
        noted.write_text(str(write_tiny_encoder(folder / "encoder")))
    encoder = Path(noted.read_text())
    paths = Paths(var=folder / "var")
    ledger, artifacts = (
        open_ledger(f"sqlite:///{folder}/ledger.db"),
        open_artifacts(folder / "archives"),
    )
    with ledger.write() as connection:
        connection.execute(
            sa.update(schema.secrets)
            .where(schema.secrets.c.name == "panel")
            .values(value=PANEL_SECRET)
        )
    return Services(
        settings=settings or small_settings(encoder),
        paths=paths,
        ledger=ledger,
        log=open_log(folder / "events.db"),
        histories=open_histories(folder / "histories.db", keys_of(ledger).of_user),
        item_records=open_item_records(folder / "items.db"),
        artifacts=artifacts,
        launcher=launcher or HereLauncher(paths.texts),
        machines=open_machines,
        server=FakeServer(folder / "archives", folder / "server"),
        copy_server=partial(FakeServer, folder / "archives", folder / "copy-server"),
        journal=Journal(ledger, artifacts, paths.journal),
    )


def close_workshop(services: Services) -> None:
    """Close everything that holds a file."""
    assert isinstance(services.log, SqliteEventLog)
    assert isinstance(services.histories, SqliteHistories)
    services.log.close()
    services.histories.close()
    assert isinstance(services.item_records, SqliteItemRecords)
    services.item_records.close()
    services.journal.close()
    services.ledger.close()


def with_bases(services: Services) -> Services:
    """Return the same parts where every array and catalogue is large, and so has a base."""
    train = replace(services.settings.train, whole_array_mb=1e-6)
    return replace(services, settings=replace(services.settings, train=train))


def with_gate(services: Services, gate: GateSettings) -> Services:
    """Return the same parts under another gate."""
    return replace(services, settings=replace(services.settings, gate=gate))


def server_of(services: Services) -> FakeServer:
    """Return the fake behind the port."""
    assert isinstance(services.server, FakeServer)
    return services.server


def lease_of(ledger: Ledger) -> Lease:
    """Take the lease as an earlier life's successor would."""
    lease = lease_row.acquire(ledger, HOLDER, 60, ledger.now())
    assert lease is not None
    return lease


def item_records(first: int = 0, last: int = NUM_ITEMS) -> list[Record]:
    """Return the planted items as records."""
    return [
        Item(
            event_id=f"item:{item.item_id}",
            item_id=item.item_id,
            title=item.title or item.item_id,
            text=item.text,
            at=START,
        )
        for item in planted_items()[first:last]
    ]


def event_records(first: int, last: int, *, num_users: int = 60) -> list[Record]:
    """Return planted events first to last: users in turn choose items of their parity."""
    records: list[Record] = []
    for number in range(first, last + 1):
        user = number % num_users
        strays = (number * 7919) % 10 == 0
        item = 2 * ((number * 7 + number // num_users) % (NUM_ITEMS // 2)) + (
            user % 2 if not strays else 1 - user % 2
        )
        records.append(
            Event(
                event_id=f"event:{number:06d}",
                user_id=f"user{user}",
                item_id=f"i{item}",
                type="rating",
                rating=2.0 if strays else 5.0,
                at=START + timedelta(minutes=number),
            )
        )
    return records


def send(services: Services, records: Sequence[Record]) -> None:
    """Append records to the event log."""
    services.log.append(records)


def live_version(services: Services) -> int:
    """Return the live version, of which ledger and server agree."""
    live = release_rows.live(services.ledger)
    assert live is not None
    assert live.version == services.server.live()
    return live.version
