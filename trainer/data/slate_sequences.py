"""The served lists of a snapshot beside the histories of their users."""

from __future__ import annotations

from pathlib import Path

from recommender.bundle import Bundle
from recommender.network.model import TwoTowers
from trainer.config import PolicyGradientConfig
from trainer.data.dataset import EventTable
from trainer.data.sampling import Sequences
from trainer.data.slate_places import HistoryTimes, SlatePlaces, read_slate_places


def read_slates(
    snapshot: Path,
    bundle: Bundle,
    sequences: Sequences,
    events: EventTable,
    config: PolicyGradientConfig,
) -> SlatePlaces | None:
    """Return the served lists to learn from; None if there are none or the term is off."""
    path = snapshot / "slates.parquet"
    learns_lists = isinstance(bundle.model, TwoTowers) and config.weight > 0
    if not learns_lists or not path.exists():
        return None
    histories = HistoryTimes(
        users={user_id: number for number, user_id in enumerate(events.users)},
        user_bounds=sequences.user_bounds,
        at_s=sequences.at_s,
    )
    return read_slate_places(path, config, histories, bundle.catalogue)
