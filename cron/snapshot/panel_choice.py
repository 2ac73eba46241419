"""The share of users that a full retrain keeps for judging: as small as the gate allows.

They are counted in the journal as it is now.
"""

from __future__ import annotations

from cron.settings.tree import GateSettings
from cron.snapshot.judged import positive_of, smallest_enough_share
from cron.snapshot.panel import Panel
from cron.snapshot.pools import JournalParts
from cron.snapshot.timeline import Timeline
from trainer.config import TrainConfig


def choose_panel_share(
    parts: JournalParts, panel: Panel, gate: GateSettings, train: TrainConfig
) -> float:
    """Return the smallest share within the settings' bounds whose panel is large enough.

    Large enough includes slack; if no share is, return the greatest. Only the key of `panel` is
    used, not its share. Of a large journal the newest events are read, as many as show that the
    smallest share is enough, or all. Raise as the methods of JournalParts.
    """

    def share_of(events: Timeline) -> float:
        positive_N = positive_of(events, train.positive_types, train.positive_rating)
        return smallest_enough_share(events, positive_N, panel.fraction, gate)

    if parts.is_small:
        return share_of(parts.every())
    return share_of(parts.newest(parts.through, lambda new: share_of(new) <= gate.min_panel_share))
