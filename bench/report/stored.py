"""The stored rows of results, as the tables read them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

StoredRows = Sequence[Mapping[str, object]]
SET_NAMES = {"ml-100k": "ML-100K", "ml-1m": "ML-1M", "beauty": "Amazon Beauty"}


def stored_rows(results: Path, bench: str) -> StoredRows:
    """Return the rows of one bench, sets in our order; empty if it has no results yet."""
    path = results / f"{bench}.json"
    rows: list[Mapping[str, object]] = (
        json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    )
    order = list(SET_NAMES)
    return sorted(
        rows,
        key=lambda row: order.index(str(row["set"])) if row["set"] in SET_NAMES else len(order),
    )


def value_of(row: Mapping[str, object]) -> float:
    """Return the value of a row."""
    return float(str(row["value"]))


def three_digits(value: float) -> str:
    """Format a value as the tables do: `.118`, or `1.04` from 1 on."""
    return f"{value:.3f}".replace("0.", ".", 1) if value < 1 else f"{value:.2f}"


def num_windows(row: Mapping[str, object]) -> int:
    """Return how many windows a row of the stream is the mean of."""
    return int(str(row["note"]).split()[0])


def retraining_seconds(row: Mapping[str, object]) -> float:
    """Return the processor seconds of one retraining, from a row of the stream.

    Full retrains come before their windows; updates come between windows, so there is one fewer.
    """
    num_retrainings = num_windows(row) - (row["model"] != "full")
    return float(str(row["seconds"])) / max(1, num_retrainings)
