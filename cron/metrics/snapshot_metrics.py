"""Metrics of a snapshot's data, and the hold when the mix of events has shifted.

A person reviews a shift once: after `resume`, only the events after it are compared.
"""

from __future__ import annotations

from collections.abc import Mapping

from cron.errors import Held
from cron.ledger import holds, metric_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Range

# followed by a mix: how far the newest run's new events were from those before them
SHIFT = "data_shift:"
# followed by a limit: events of the newest run's range that exceeded it and were not trained on
LEFT_OUT = "left_out:"
MIXES = ("types", "items", "ratings")
LIMITS = ("user", "item")
_SEEN = "data_shift_seen:through"


def unreviewed_part(ledger: Ledger, new: Range | None) -> Range | None:
    """Return the part of a range whose mix no person has reviewed; None when there is none."""
    if new is None:
        return None
    first = max(new[0], int(metric_rows.stored_metrics(ledger).get(_SEEN, 0)) + 1)
    return (first, new[1]) if first <= new[1] else None


def store_metrics(ledger: Ledger, output: Mapping[str, object]) -> None:
    """Store the metrics of a snapshot step's output in the ledger."""
    shift = output.get("shift")
    for mix in MIXES:
        metric_rows.set_gauge(
            ledger, f"{SHIFT}{mix}", float(shift[mix]) if isinstance(shift, Mapping) else 0.0
        )
    for limit in LIMITS:
        metric_rows.set_gauge(
            ledger, f"{LEFT_OUT}{limit}", float(str(output.get(f"over_{limit}_limit", 0)))
        )


def hold_on_shift(
    ledger: Ledger, output: Mapping[str, object], new: Range | None, *, limit: float | None
) -> None:
    """Pause publishing and raise Held when a mix has shifted by more than the limit."""
    shift, unseen = output.get("shift"), unreviewed_part(ledger, new)
    if limit is None or unseen is None or not isinstance(shift, Mapping):
        return
    mix, distance = max(((name, float(shift[name])) for name in MIXES), key=lambda one: one[1])
    if distance <= limit:
        return
    reason = (
        f"the mix of {mix} in events {unseen[0]}–{unseen[1]} is {distance:.2f} away from that of"
        f" the events before them, gate.max_shift is {limit:.2f}; look at them, then resume, or"
        f" leave them out with --exclude {unseen[0]}-{unseen[1]}"
    )
    holds.pause(ledger, reason)
    metric_rows.set_gauge(ledger, _SEEN, float(unseen[1]))
    raise Held(reason=reason)
