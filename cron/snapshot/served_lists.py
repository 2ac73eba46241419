"""The slates of a snapshot: lists that were served during its events, with their rewards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cron.epoch import moment
from cron.journal.journal import Journal
from cron.lineage import Range
from cron.settings.tree import RewardSettings
from cron.shown_rewards import EVENT_COLUMNS, SLATE_COLUMNS, ShownRewards, join_rewards
from cron.snapshot.timeline import in_ranges

# A few events with wrong times must not stretch the time of a run's events.
DOUBTFUL_SHARE = 0.01
MAX_SLATES = 200_000  # the newest, so that the join's memory does not grow with the history

SCHEMA = pa.schema(
    [
        ("recommendation_id", pa.string()),
        ("user_id", pa.string()),
        ("at_us", pa.int64()),
        ("position", pa.int16()),
        ("item_id", pa.string()),
        ("propensity", pa.float64()),
        ("reward", pa.float64()),
        ("version", pa.int64()),
    ]
)
_COLUMNS = (*SLATE_COLUMNS, "propensities", "version", "fallback")


def served_lists(
    journal: Journal,
    target_range: Range,
    *,
    excluded: tuple[Range, ...],
    reward: RewardSettings,
    is_panel: Callable[[str], bool],
) -> pa.Table:
    """Return the rows of `slates.parquet`: slates from the first target event to the last.

    Fallbacks, slates without a user and those of the panel are left out. Rewards are those of the
    target events, so a slate near the end may lack some. Raise ArtifactMissing or ArtifactCorrupt.
    """
    times = journal.read(*target_range, columns=["kind", "seq", "at_us"])
    at_us = _outside(times, excluded)["at_us"].to_numpy()
    if not len(at_us):
        return SCHEMA.empty_table()
    first_us, last_us = (
        int(np.quantile(at_us, share, method="nearest"))
        for share in (DOUBTFUL_SHARE, 1.0 - DOUBTFUL_SHARE)
    )
    slates = _slates(journal, first_us, last_us, is_panel)
    if not slates.num_rows:
        return SCHEMA.empty_table()
    events = _events(journal, target_range, excluded, slates["user_id"])
    return item_rows(slates, join_rewards(slates, events, reward))


def _slates(
    journal: Journal, first_us: int, last_us: int, is_panel: Callable[[str], bool]
) -> pa.Table:
    kept = []
    for rows in journal.slates.tables_since(moment(first_us), columns=_COLUMNS):
        learned = rows.filter(
            pc.and_(
                pc.and_(pc.is_valid(rows["user_id"]), pc.invert(rows["fallback"])),
                pc.less_equal(rows["at_us"], last_us),
            )
        )
        users = pc.unique(learned["user_id"])
        panel = pa.array([one for one in users.to_pylist() if is_panel(one)], pa.string())
        kept.append(learned.filter(pc.invert(pc.is_in(learned["user_id"], value_set=panel))))
    if not kept:
        return pa.table({name: [] for name in _COLUMNS})
    newest = pa.concat_tables(kept).sort_by([("at_us", "descending"), ("event_id", "ascending")])
    order = [("user_id", "ascending"), ("at_us", "ascending"), ("event_id", "ascending")]
    return newest.slice(0, MAX_SLATES).sort_by(order).combine_chunks()


def _events(
    journal: Journal, target_range: Range, excluded: tuple[Range, ...], user_ids: pa.ChunkedArray
) -> pa.Table:
    """Return the target events of some users."""
    columns = ["kind", "seq", *EVENT_COLUMNS]
    value_set = pc.unique(user_ids)
    tables = [
        events.filter(pc.is_in(events["user_id"], value_set=value_set))
        for records in journal.read_segments(*target_range, columns=columns)
        for events in [_outside(records, excluded)]
    ]
    return pa.concat_tables(tables)


def _outside(records: pa.Table, excluded: tuple[Range, ...]) -> pa.Table:
    """Return the events among records that are not in an excluded range."""
    events = records.filter(pc.equal(records["kind"], "event"))
    return events.filter(pa.array(~in_ranges(events["seq"].to_numpy(), excluded)))


def item_rows(slates: pa.Table, shown: ShownRewards) -> pa.Table:
    """Return one row for each item of slates, which are in order."""
    slate_R = pa.array(shown.slate_R)
    columns = {
        "recommendation_id": slates["event_id"].take(slate_R),
        "user_id": slates["user_id"].take(slate_R),
        "at_us": slates["at_us"].take(slate_R),
        "position": shown.position_R,
        "item_id": pc.list_flatten(slates["items"].combine_chunks()),
        "propensity": pc.list_flatten(slates["propensities"].combine_chunks()),
        "reward": shown.reward_R,
        "version": slates["version"].take(slate_R),
    }
    return pa.table(columns).cast(SCHEMA)
