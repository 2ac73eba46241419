"""The values that the steps of a run return, and how the ledger stores them.

`plan` returns a RunPlan, `snapshot` a SnapshotInfo, `judge` and `probe` a Verdict, and the other
steps the values below. A step is stored once: a run that is continued after a crash reads the
value instead of repeating the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from cron.ledger import run_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from trainer.codec import decode, encode

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The candidate that `train` made."""

    report_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """The archive that `archive` packed: its manifest, as JSON."""

    manifest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A step without a value: `put`, `register`, `set_live`."""


def stored_value(ledger: Ledger, run_id: int, step: str, kind: type[_Value]) -> _Value | None:
    """Return the value that a step stored; None when the step did not finish."""
    text = run_rows.step_output(ledger, run_id, step)
    return decode(text, kind) if text is not None else None


def store_value(
    ledger: Ledger, run_id: int, step: str, value: object, *, seconds: float, lease: Lease
) -> None:
    """Store the value of a finished step; a value stored earlier stays."""
    run_rows.record_step(ledger, run_id, step, encode(value), seconds=seconds, lease=lease)
