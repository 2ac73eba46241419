"""The metrics of a snapshot, and a hold when the mix of events has shifted.

A shift is reviewed once: a person who resumes publishing has seen it, and from then on only later
events are compared.
"""

from __future__ import annotations

from cron.errors import Held
from cron.ledger import holds, metric_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Range
from cron.metrics.snapshot_metrics import LEFT_OUT, MIXES, SHIFT
from cron.snapshot.shift import Shift
from cron.snapshot.snapshot import SnapshotInfo

_SEEN = "data_shift_seen:through"


def unreviewed_part(ledger: Ledger, new: Range | None) -> Range | None:
    """Return the part of a range whose mix no person has reviewed; None when there is none."""
    if new is None:
        return None
    first = max(new[0], int(metric_rows.stored_metrics(ledger).get(_SEEN, 0)) + 1)
    return (first, new[1]) if first <= new[1] else None


def store_metrics(ledger: Ledger, snapshot: SnapshotInfo) -> None:
    """Store the shift of each mix, and the number of events left out for each limit."""
    for mix, distance in _distances(snapshot.shift).items():
        metric_rows.set_gauge(ledger, f"{SHIFT}{mix}", distance)
    metric_rows.set_gauge(ledger, f"{LEFT_OUT}user", float(snapshot.over_user_limit))
    metric_rows.set_gauge(ledger, f"{LEFT_OUT}item", float(snapshot.over_item_limit))


def hold_on_shift(
    ledger: Ledger, shift: Shift | None, new: Range | None, *, limit: float | None
) -> None:
    """Pause publishing and raise Held when a mix has shifted by more than the limit."""
    unseen = unreviewed_part(ledger, new)
    if limit is None or unseen is None or shift is None:
        return
    mix, distance = max(_distances(shift).items(), key=lambda one: one[1])
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


def _distances(shift: Shift | None) -> dict[str, float]:
    """Return how far each mix has shifted; 0 where that is not known."""
    if shift is None:
        return dict.fromkeys(MIXES, 0.0)
    return {"types": shift.types, "items": shift.items, "ratings": shift.ratings}
