"""Join events to the slates that showed their items, and add up the rewards.

An event that names a slate (`recommendation_id`) counts for that slate's item. One that names none,
or an id that is no slate, counts for the newest slate of the same user that had shown the item.
Either way it counts only within the window after the slate, and of several events of one type with
one shown item the first counts. When events arrive does not matter, only what their times say, so a
late event changes the result as if it had been on time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cron.settings.tree import RewardSettings
    from recommender.records.events import Event

_TEXTS = ("event_id", "user_id", "item_id", "type", "recommendation_id")
SLATE_COLUMNS = ("event_id", "user_id", "items", "at_us")
EVENT_COLUMNS = (*_TEXTS, "at_us", "value", "dwell_s")
CLOCK_SLACK_US = 60_000_000  # an event may be this much older than its slate: clocks differ
_US = 1_000_000
Worths = TypeVar("Worths", float, NDArray[np.float64])  # of one event, or of many


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRewards:
    """The reward of R shown items, slate after slate, each in the order of its items.

    `slate_R` is the row of the slate, and `position_R` counts from 0.
    """

    slate_R: NDArray[np.int64]
    position_R: NDArray[np.int64]
    reward_R: NDArray[np.float64]


def join_rewards(slates: pa.Table, events: pa.Table, reward: RewardSettings) -> ShownRewards:
    """Return the rewards of the slates' items; the tables have SLATE_COLUMNS and EVENT_COLUMNS."""
    shown, acts = _shown_items(slates), _rewarded_events(events, reward)
    window_us = round(reward.window_s * _US)
    is_known = acts["recommendation_id"].isin(_texts(slates["event_id"]))
    by_id = _join_by_id(acts[is_known], shown, window_us)
    by_user = _join_by_user(acts[~is_known], shown, window_us)
    joined = pd.concat([by_id, by_user], ignore_index=True)
    joined = joined.sort_values(["at_us", "event_id"]).drop_duplicates(["shown", "type"])
    reward_R = np.zeros(len(shown))
    np.add.at(reward_R, joined["shown"].to_numpy(np.int64), joined["reward"].to_numpy(np.float64))
    return ShownRewards(
        slate_R=shown["slate"].to_numpy(np.int64),
        position_R=shown["position"].to_numpy(np.int64),
        reward_R=reward_R,
    )


def _shown_items(slates: pa.Table) -> pd.DataFrame:
    items = slates["items"].combine_chunks()
    slate_R = pc.list_parent_indices(items).to_numpy(zero_copy_only=False)
    lengths = pc.list_value_length(items).to_numpy(zero_copy_only=False)
    starts = np.cumsum(lengths) - lengths
    return pd.DataFrame(
        {
            "shown": np.arange(len(slate_R)),
            "slate": slate_R,
            "position": np.arange(len(slate_R)) - starts[slate_R],
            "item_id": _texts(pc.list_flatten(items)),
            "list_id": _texts(slates["event_id"].take(slate_R)),
            "user_id": _texts(slates["user_id"].take(slate_R)),
            "shown_us": slates["at_us"].to_numpy()[slate_R],
        }
    )


def event_worth(event: Event, reward: RewardSettings) -> float:
    """Return what an event is worth to the shown item that it counts for."""
    details = event.details
    value = dwell_s = 0.0
    if details is not None:
        value, dwell_s = details.value or 0.0, details.dwell_s or 0.0
    return _worths(reward, reward.weights.get(event.type, 0.0), value, dwell_s)


def _worths(reward: RewardSettings, of_type: Worths, value: Worths, dwell_s: Worths) -> Worths:
    """Return the rewards of events by the weights of their types, their values and dwells."""
    return of_type + reward.value_weight * value + reward.dwell_weight * dwell_s


def _rewarded_events(events: pa.Table, reward: RewardSettings) -> pd.DataFrame:
    """Return the events that have a reward, with it."""
    acts = pd.DataFrame(
        {
            **{name: _texts(events[name]) for name in _TEXTS},
            **{name: events[name].to_pandas() for name in ("at_us", "value", "dwell_s")},
        }
    )
    of_type = acts["type"].map(dict(reward.weights))
    parts = (_numbers(one) for one in (of_type, acts["value"], acts["dwell_s"]))
    acts["reward"] = _worths(reward, *parts)
    return acts[acts["reward"] != 0]


def _numbers(column: pd.Series) -> NDArray[np.float64]:
    return np.asarray(column.astype(np.float64).fillna(0.0), np.float64)


def _texts(column: pa.ChunkedArray | pa.Array) -> pd.Series:
    """Return a column as objects: pandas joins no empty column with one that is not."""
    return pd.Series(column.to_numpy(zero_copy_only=False), dtype=object)


def _join_by_id(acts: pd.DataFrame, shown: pd.DataFrame, window_us: int) -> pd.DataFrame:
    of_lists = shown[["shown", "list_id", "item_id", "shown_us"]]
    joined = acts.merge(
        of_lists, left_on=["recommendation_id", "item_id"], right_on=["list_id", "item_id"]
    )
    age_us = joined["at_us"] - joined["shown_us"]
    return joined[(age_us >= -CLOCK_SLACK_US) & (age_us <= window_us)]


def _join_by_user(acts: pd.DataFrame, shown: pd.DataFrame, window_us: int) -> pd.DataFrame:
    """Join each event to its user's newest list with the item; the later position of one time."""
    of_users = shown[shown["user_id"].notna()][["shown", "user_id", "item_id", "shown_us"]]
    acts = acts.assign(until_us=acts["at_us"] + CLOCK_SLACK_US).sort_values("until_us")
    joined = pd.merge_asof(
        acts,
        of_users.sort_values(["shown_us", "shown"]),
        left_on="until_us",
        right_on="shown_us",
        by=["user_id", "item_id"],
        tolerance=window_us + CLOCK_SLACK_US,
    )
    return joined[joined["shown"].notna()]
