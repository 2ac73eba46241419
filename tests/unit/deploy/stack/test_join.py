"""Which checkpoint the Flink join resumes from, and its SQL; tests/services runs it."""

from __future__ import annotations

import os
from pathlib import Path

from deploy.stack.join import SQL, TRANSACTION_LIMIT_S, Join, checkpoint_to_restore, render

NOW = 1_700_000_000.0


def test_the_newest_complete_checkpoint_of_any_job_is_restored(tmp_path: Path) -> None:
    assert checkpoint_to_restore(tmp_path / "missing", now=NOW) is None
    _checkpoint(tmp_path / "first-job" / "chk-900", at=NOW - 60)
    newest = _checkpoint(tmp_path / "second-job" / "chk-7", at=NOW - 5)
    (tmp_path / "second-job" / "chk-8").mkdir()  # interrupted before its metadata was written
    assert checkpoint_to_restore(tmp_path, now=NOW) == newest


def test_an_aborted_transaction_means_the_checkpoint_before_it(
    tmp_path: Path,
) -> None:
    only = _checkpoint(tmp_path / "job" / "chk-1", at=NOW - TRANSACTION_LIMIT_S - 10)
    assert checkpoint_to_restore(tmp_path, now=NOW) == only
    last = _checkpoint(tmp_path / "job" / "chk-2", at=NOW - TRANSACTION_LIMIT_S - 5)
    assert checkpoint_to_restore(tmp_path, now=NOW) == only
    assert checkpoint_to_restore(tmp_path, now=NOW - 10) == last


def test_the_limit_is_the_transactions_own() -> None:
    assert (
        f"'properties.transaction.timeout.ms' = '{TRANSACTION_LIMIT_S * 1000:.0f}'"
        in SQL.read_text()
    )


def test_every_placeholder_is_filled_in_and_quotes_are_escaped(tmp_path: Path) -> None:
    join = Join(bootstrap="kafka:9092", checkpoints=tmp_path / "it's here", events="shop-events")
    sql = render(join, tmp_path / "it's here" / "chk-3")
    assert "${" not in sql
    assert f"'execution.checkpointing.dir' = 'file://{tmp_path.resolve()}/it''s here'" in sql
    assert sql.startswith(
        f"SET 'execution.state-recovery.path' = 'file://{tmp_path.resolve()}/it''s here/chk-3';"
    )
    assert "'sink.transactional-id-prefix' = 'freshet-join-shop-events'" in sql


def _checkpoint(folder: Path, *, at: float) -> Path:
    folder.mkdir(parents=True)
    (folder / "_metadata").touch()
    os.utime(folder / "_metadata", (at, at))
    return folder
