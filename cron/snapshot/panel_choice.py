"""The share of users that a full retrain keeps for judging: as small as the gate allows.

They are counted in the journal as it is now.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cron.journal.journal import Journal
from cron.lineage import Range
from cron.settings.tree import GateSettings
from cron.snapshot.judged import positive_of, smallest_enough_share
from cron.snapshot.panel import Panel
from cron.snapshot.timeline import COLUMNS, in_ranges, timeline
from trainer.config import TrainConfig


def choose_panel_share(
    journal: Journal,
    panel: Panel,
    gate: GateSettings,
    train: TrainConfig,
    *,
    last_seq: int,
    excluded: tuple[Range, ...] = (),
) -> float:
    """Return the smallest share within the settings' bounds whose panel is large enough.

    Large enough includes slack; if no share is, return the greatest. Only the key of `panel` is
    used, not its share.
    """
    records = journal.read(1, last_seq, columns=["kind", *COLUMNS])
    events = records.filter(pc.equal(records["kind"], "event"))
    events = events.filter(pa.array(~in_ranges(events["seq"].to_numpy(), excluded)))
    lives = timeline(events, is_panel=lambda _: False)
    return smallest_enough_share(
        lives, positive_of(lives, train.positive_types, train.positive_rating), panel.fraction, gate
    )
