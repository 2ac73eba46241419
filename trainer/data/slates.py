"""Served lists with propensities and rewards, and the credit of what was chosen.

`docs/architecture.md` describes the file, `slates.parquet`. J counts slates, I their items.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from trainer.config import PolicyGradientConfig
from trainer.data.dataset import Flags, Floats, Ints, SnapshotError

_ORDER = ("user_id", "at_us", "recommendation_id", "position")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedSlates:
    """Slates in order of user and time; slate j has the items [bounds[j], bounds[j + 1]).

    `propensity_I` is NaN for an item that the policy did not choose, which is a pin. `reward_I` is
    0 for an item that led to nothing.
    """

    user_ids_J: npt.NDArray[np.object_]
    at_s_J: Floats
    bounds: Ints
    item_ids_I: npt.NDArray[np.object_]
    propensity_I: Floats
    reward_I: Floats

    def __len__(self) -> int:
        return len(self.at_s_J)

    @property
    def slate_I(self) -> Ints:
        """The slate of each item."""
        return np.repeat(np.arange(len(self)), np.diff(self.bounds))


def read_slates(path: Path) -> ServedSlates:
    """Read the slates of a snapshot; raise SnapshotError. Rows in another order are sorted."""
    try:
        rows = slate_order(pq.read_table(path))
        slate_ids = rows["recommendation_id"].to_numpy()
        user_ids = rows["user_id"].to_numpy()
        at_us = rows["at_us"].to_numpy()
        item_ids = rows["item_id"].to_numpy()
        propensity_I = rows["propensity"].cast(pa.float64()).to_numpy()
        reward_I = rows["reward"].cast(pa.float64()).to_numpy()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise SnapshotError(f"{path}: not a valid file of slates ({error})") from error
    if (propensity_I <= 0).any() or (propensity_I > 1).any():
        raise SnapshotError(f"{path}: a propensity is above 0 and at most 1, or null for a pin")
    begins_I = np.ones(len(slate_ids), np.bool_)
    begins_I[1:] = (slate_ids[1:] != slate_ids[:-1]) | (user_ids[1:] != user_ids[:-1])
    firsts = np.flatnonzero(begins_I)
    return ServedSlates(
        user_ids_J=user_ids[firsts],
        at_s_J=at_us[firsts] / 1e6,
        bounds=np.append(firsts, len(slate_ids)),
        item_ids_I=item_ids,
        propensity_I=propensity_I,
        reward_I=np.nan_to_num(reward_I),
    )


def slate_order(rows: pa.Table) -> pa.Table:
    """Return the rows of slates in the order of `ServedSlates`."""
    return rows.sort_by([(name, "ascending") for name in _ORDER])


def credits_of(slates: ServedSlates, config: PolicyGradientConfig) -> Floats:
    """Return credit_I of `choice_credits`, divided by its root mean square over the choices.

    So it does not depend on the unit of rewards.
    """
    credit_I, chosen_I = choice_credits(slates, config), slates.reward_I != 0.0
    size = float(np.sqrt(np.square(credit_I[chosen_I]).mean())) if chosen_I.any() else 0.0
    return credit_I / size if size > 0 else credit_I


def choice_credits(slates: ServedSlates, config: PolicyGradientConfig) -> Floats:
    """Return credit_I: what choosing an item was worth, compared with choosing nothing.

    It is the item's reward, plus the discounted rewards of the session's later slates, minus what
    those are after a slate in which nothing was chosen, on average. With at most one choice in a
    slate, that is the slate's advantage (SlateQ's decomposition, Ie et al. 2019). Items that were
    not chosen have no credit. Credits have the unit of rewards.
    """
    if not len(slates):
        return np.zeros(0)
    chosen_I: Flags = slates.reward_I != 0.0
    later_J = _later_rewards(slates, config)
    is_idle_J = np.bincount(slates.slate_I, weights=chosen_I, minlength=len(slates)) == 0
    compared_J = is_idle_J if is_idle_J.any() else np.ones(len(slates), np.bool_)
    advantage_J = later_J - later_J[compared_J].mean()
    return np.where(chosen_I, slates.reward_I + advantage_J[slates.slate_I], 0.0)


def _later_rewards(slates: ServedSlates, config: PolicyGradientConfig) -> Floats:
    """Return the discounted rewards of each session's slates after each slate."""
    reward_J = np.bincount(slates.slate_I, weights=slates.reward_I, minlength=len(slates))
    goes_on_J = slates.user_ids_J[1:] == slates.user_ids_J[:-1]
    goes_on_J = goes_on_J & (np.diff(slates.at_s_J) <= config.session_gap_s)
    later_J = np.zeros(len(slates))
    for number in np.flatnonzero(goes_on_J)[::-1]:
        later_J[number] = config.discount * (reward_J[number + 1] + later_J[number + 1])
    return later_J
