"""What a snapshot should contain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cron.placement import Placement
from cron.settings.tree import RewardSettings
from cron.snapshot.judged import Need
from cron.snapshot.limits import Limits
from cron.snapshot.panel import Panel
from trainer.config import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedLists:
    """On which lists a candidate's own lists are evaluated: the newest of panel users.

    At most `max_lists` of them since a time. `reward` says what their items are worth, and
    `placements` by which rules and policies the lists of each place are made now.
    """

    since: datetime
    max_lists: int
    reward: RewardSettings
    placements: Mapping[str, Placement] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRequest:
    """The content of a snapshot. Ranges are journal numbers, both ends included.

    `panel`: users whose events are kept out of training, now and in later updates.
    `judged`: users whose events are scored, if they are others; their events are kept out of this
    training too. None of the compared models was trained on them.
    `older_before`: panel events below this number are scored separately; None scores none.
    `fresh_range`: events that the live model never trained on, on which it is scored. By default an
    update uses its target range and other modes use none.
    `shift_range`: events whose mix is compared with that of the events before them.
    `reward`: what the items of served lists are worth, to learn from; None for no lists.
    `judged_lists`: which lists the candidate's are evaluated on; None for none.
    `pictures_after`: the parent knows the changes of pictures up to this one; None for no pictures.
    `items_after`: the parent knows all items up to this number; an update of a large journal has
    only later records of items.
    """

    mode: Mode
    target_range: tuple[int, int] | None
    items_through: int
    items_after: int = 0
    panel: Panel
    judged: Panel | None = None
    excluded: tuple[tuple[int, int], ...] = ()
    replay_ratio: float = 0.0
    max_history: int = 100
    seed: int = 0
    need: Need
    limits: Limits
    positive_types: tuple[str, ...]
    positive_rating: float | None = None
    live: Path | None = None
    anchor: Path | None = None
    state: Path | None = None
    live_version: int | None = None
    anchor_version: int | None = None
    fresh_range: tuple[int, int] | None = None
    shift_range: tuple[int, int] | None = None
    older_before: int | None = None
    reward: RewardSettings | None = None
    judged_lists: JudgedLists | None = None
    pictures_after: int | None = None

    @property
    def through(self) -> int:
        """The last number that is read."""
        last_target = self.target_range[1] if self.target_range is not None else 0
        return max(self.items_through, last_target)

    def is_panel(self, user_id: str) -> bool:
        """Return whether a user's events are kept out of this training."""
        return self.panel.holds(user_id) or self.scored_panel.holds(user_id)

    @property
    def scored_panel(self) -> Panel:
        """The users whose events are scored."""
        return self.judged or self.panel
