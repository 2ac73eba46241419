"""Ingest a made-up shop, and follow its events through the embedded stores.

`ingest` runs as a process of its own: once from CSV and once from Parquet with all events, and for
the stores in tenths, as they come while a worker runs. Each tenth is collected into the journal,
copied into the histories and trimmed, so the disk holds one tenth of the log. The first and the
last tenth show whether a step costs more the more there is. At last the older half of the journal
is dropped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq

from bench.data.shop import EVENTS, ITEMS
from bench.scale.costs import Cost, Size, peak_gib
from cron.journal.collect import collect
from cron.journal.follow import BATCH_RECORDS, follow_once
from cron.journal.journal import Journal
from cron.ledger import lease_row
from cron.ledger.forgotten import keys_of
from cron.project_root import PROJECT_ROOT
from cron.wiring import open_artifacts, open_histories, open_ledger, open_log
from sources.files.on_disk import disk_folder

UNIT = "events a processor s"
EVENTS_IN_TENTHS = 1_000_000
_LEASE_S = 86_400.0


def ingest_costs(size: Size) -> list[Cost]:
    """Measure ingesting from both formats."""
    with tempfile.TemporaryDirectory(prefix="freshet-bench-", dir=disk_folder()) as name:
        folder = Path(name)
        _write_shop(size, folder / "parquet")
        _write_csv(folder / "parquet", folder / "csv")
        costs = [_ingest(size, folder, "csv", "ingest from CSV")]
        shutil.rmtree(folder / "csv")
        (folder / "events.db").unlink()
        costs.append(_ingest(size, folder, "parquet", "ingest from Parquet"))
        costs.append(_bytes(size, "the event log", folder, "events.db"))
        return costs


def store_costs(size: Size) -> list[Cost]:
    """Measure how events come into the stores; drop the older half of the journal."""
    with tempfile.TemporaryDirectory(prefix="freshet-bench-", dir=disk_folder()) as name:
        folder = Path(name)
        _write_shop(size, folder / "parquet")
        return _store_costs(size, folder)


def _ingest(size: Size, folder: Path, data: str, what: str) -> Cost:
    """Run `cron ingest` on a folder; the time of the items counts too."""
    environment = {
        **os.environ,
        "FRESHET__STORE__EVENTS": f"sqlite:///{folder}/events.db",
        "FRESHET__STORE__VAR": str(folder / "var"),
    }
    command = [sys.executable, "-m", "cron", "ingest", str(folder / data), "--json"]
    began_s = time.monotonic()
    with subprocess.Popen(
        command, cwd=PROJECT_ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        report = json.loads(process.stdout.read())
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(
        size=size,
        what=what,
        value=report["events"] / (used.ru_utime + used.ru_stime),
        unit=UNIT,
        peak_gib=used.ru_maxrss / 2**20,
        note=f"{time.monotonic() - began_s:.0f} s of the clock",
    )


def _store_costs(size: Size, folder: Path) -> list[Cost]:
    """Ingest, collect, follow and trim part by part; drop the older half of the journal."""
    ledger = open_ledger(f"sqlite:///{folder}/ledger.db")
    artifacts = open_artifacts(f"file:///{folder}/archives")
    lease = lease_row.acquire(ledger, "bench", _LEASE_S, datetime.now(UTC))
    assert lease is not None
    log = open_log(f"sqlite:///{folder}/events.db")
    journal = Journal(ledger, artifacts, folder / "journal")
    histories = open_histories(f"sqlite:///{folder}/histories.db", keys_of(ledger).of_user)

    def follow() -> None:
        while follow_once(log, histories, limit=BATCH_RECORDS):
            pass

    steps: dict[str, Callable[[], object]] = {
        "collecting": lambda: collect(log, journal, ledger, lease),
        "following into the histories": follow,
        "trimming the log": lambda: log.trim(histories.cursor()),
    }
    costs: list[Cost] = []
    num_parts = _num_parts(size)
    for number in range(num_parts):
        num_records = _write_part(folder / "parquet", number, num_parts, folder / "part")
        name = f"part {number + 1} of {num_parts}"
        found = [_ingest(size, folder, "part", f"ingest from Parquet, {name}")]
        for what, work in steps.items():
            found.append(_measure_rate(size, f"{what}, {name}", work, num_records))
        if number in (0, num_parts - 1):
            costs += found
        shutil.rmtree(folder / "part")
    num_events = journal.count(1, journal.last_seq).events
    assert num_events > 0.99 * size.num_events, f"{num_events:,} events; the same ones count once"
    for what, path in (
        ("the journal", "archives"),
        ("the index of event ids", "journal/seen.db"),
        ("the histories", "histories.db"),
    ):
        costs.append(_bytes(size, what, folder, path))

    def drop() -> None:
        # the times of items are those of their ingestion, so all are older than now
        now, half = datetime.now(UTC), journal.last_seq // 2
        assert journal.compact_and_drop(older_than=now, needed_from=half, lease=lease)

    costs.append(
        _measure_rate(size, "dropping the older half of the journal", drop, num_events // 2)
    )
    costs.append(_bytes(size, "the journal without the older half", folder, "archives"))
    return costs


def _measure_rate(size: Size, what: str, work: Callable[[], object], num_records: int) -> Cost:
    began_s = time.process_time()
    work()
    rate = num_records / (time.process_time() - began_s)
    return Cost(size=size, what=what, value=rate, unit=UNIT, peak_gib=peak_gib())


def _bytes(size: Size, what: str, folder: Path, name: str) -> Cost:
    """Return the bytes of a database, or of the files in a folder, for each event."""
    files = [*folder.glob(f"{name}*"), *folder.glob(f"{name}/**/*")]
    size_bytes = sum(file.stat().st_size for file in files if file.is_file())
    return Cost(size=size, what=what, value=size_bytes / size.num_events, unit="bytes an event")


def _write_shop(size: Size, folder: Path) -> None:
    """Make the shop in a process of its own: a peak includes that of the parent process."""
    command = [sys.executable, "-m", "bench", "shop", str(folder)]
    command += ["--items", str(size.num_items), "--events", str(size.num_events)]
    subprocess.run(command, cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL, check=True)


def _num_parts(size: Size) -> int:
    """Return 10, or 3 for a few events, since each part starts a process."""
    return 10 if size.num_events >= EVENTS_IN_TENTHS else 3


def _write_part(parquet: Path, number: int, num_parts: int, folder: Path) -> int:
    """Write a part of the events, and the items with the first; return how many records."""
    folder.mkdir()
    events = pq.ParquetFile(parquet / EVENTS)
    size = -(-events.metadata.num_rows // num_parts)
    first, num_read, num_written = number * size, 0, 0
    with pq.ParquetWriter(folder / EVENTS, events.schema_arrow) as writer:
        for batch in events.iter_batches():
            begin = max(0, first - num_read)
            part = batch.slice(begin, max(0, first + size - num_read - begin))
            num_read += batch.num_rows
            if part.num_rows:
                writer.write_batch(part)
                num_written += part.num_rows
    if number == 0:
        shutil.copy(parquet / ITEMS, folder / ITEMS)
        num_written += pq.ParquetFile(folder / ITEMS).metadata.num_rows
    return num_written


def _write_csv(parquet: Path, folder: Path) -> None:
    """Write the same shop as CSV, one batch of rows after the other."""
    folder.mkdir()
    for name in (EVENTS, ITEMS):
        table = pq.ParquetFile(parquet / name)
        path = (folder / name).with_suffix(".csv")
        options = pyarrow.csv.WriteOptions(quoting_style="needed")
        with pyarrow.csv.CSVWriter(path, table.schema_arrow, write_options=options) as writer:
            for batch in table.iter_batches():
                writer.write_batch(batch)
