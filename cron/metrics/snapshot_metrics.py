"""The names of a snapshot's metrics in the ledger; `cron.snapshot.shift_review` stores them."""

from __future__ import annotations

# followed by a mix: how far the newest run's new events were from those before them
SHIFT = "data_shift:"
# followed by a limit: events of the newest run's range that exceeded it and were not trained on
LEFT_OUT = "left_out:"
MIXES = ("types", "items", "ratings")
LIMITS = ("user", "item")
