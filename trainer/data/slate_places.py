"""Where slates are in the histories, and the slates of a batch as tensors.

J counts slates, K items of the longest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recommender.catalogue.catalogue import Catalogue
from trainer.config import PolicyGradientConfig
from trainer.data.dataset import Floats, Ints
from trainer.data.slates import ServedSlates, credits_of, read_slates

NO_ITEM = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryTimes:
    """The users of all histories, and the times of their events, one history after the other."""

    users: Mapping[str, int]
    user_bounds: Ints
    at_s: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class SlateBatch:
    """The slates of a batch: whose state chose each, and its items by position.

    `rows_JK` is NO_ITEM and `propensity_JK` NaN behind the last item. The propensity is NaN for a
    pin too. `credit_JK` is 0 for an item that was not chosen.
    """

    user_J: Tensor
    state_J: Tensor
    rows_JK: Tensor
    propensity_JK: Tensor
    credit_JK: Tensor

    @property
    def learned_JK(self) -> Tensor:
        """Mark the items that the policy gradient learns from."""
        return (self.credit_JK != 0.0) & ~self.propensity_JK.isnan()

    def named_rows(self) -> Tensor:
        """Return the rows of all items, with repetition."""
        return self.rows_JK[self.rows_JK != NO_ITEM]

    def at_places(self, rows_X: Tensor) -> SlateBatch:
        """Return the slates with places in a block of rows, which has all of theirs, for rows."""
        places_JK = torch.searchsorted(rows_X, self.rows_JK.contiguous())
        return replace(self, rows_JK=torch.where(self.rows_JK == NO_ITEM, NO_ITEM, places_JK))


@dataclass(frozen=True, slots=True, kw_only=True)
class SlatePlaces:
    """Slates in which something was chosen, by user and by the place of the state before them.

    `user_J` and, for each user, `places_J` are ascending. `num_logged` also counts the others.
    """

    num_logged: int
    user_J: Ints
    places_J: Ints
    rows_JK: Ints
    propensity_JK: Floats
    credit_JK: Floats

    def __len__(self) -> int:
        return len(self.user_J)

    def of_user(self, user: int) -> slice:
        """Return the numbers of a user's slates."""
        return slice(*map(int, np.searchsorted(self.user_J, [user, user + 1])))

    def places_of(self, user: int) -> Ints:
        """Return the places of a user's slates."""
        return self.places_J[self.of_user(user)]

    def batch(self, chosen: Iterable[tuple[int, int, int]]) -> SlateBatch:
        """Return some slates, each given by its history's number in the batch, state and number."""
        chosen_J3 = np.array(list(chosen), np.int64).reshape(-1, 3)
        numbers_J = chosen_J3[:, 2]
        return SlateBatch(
            user_J=torch.from_numpy(chosen_J3[:, 0]),
            state_J=torch.from_numpy(chosen_J3[:, 1]),
            rows_JK=torch.from_numpy(self.rows_JK[numbers_J]),
            propensity_JK=torch.from_numpy(self.propensity_JK[numbers_J]).float(),
            credit_JK=torch.from_numpy(self.credit_JK[numbers_J]).float(),
        )


def read_slate_places(
    path: Path, config: PolicyGradientConfig, histories: HistoryTimes, catalogue: Catalogue
) -> SlatePlaces:
    """Read a snapshot's slates and return those to learn from; raise SnapshotError."""
    slates = read_slates(path)
    return place_slates(slates, credits_of(slates, config), histories, catalogue)


def place_slates(
    slates: ServedSlates, credit_I: Floats, histories: HistoryTimes, catalogue: Catalogue
) -> SlatePlaces:
    """Return the slates that can be learned from: of a user with a history, with a credit.

    The state before a slate has read the user's events that are older than the slate. Items that
    the catalogue lacks are left out.
    """
    row_I = _rows(slates, catalogue)
    learned_I = (credit_I != 0.0) & ~np.isnan(slates.propensity_I) & (row_I != NO_ITEM)
    user_J = np.array([histories.users.get(user_id, -1) for user_id in slates.user_ids_J], int)
    kept_J = np.zeros(len(slates), np.bool_)
    kept_J[slates.slate_I[learned_I]] = True
    kept = np.flatnonzero(kept_J & (user_J >= 0))
    kept = kept[np.argsort(user_J[kept], kind="stable")]
    shape = (len(kept), int(np.diff(slates.bounds).max(initial=0)))
    rows_JK, propensity_JK = np.full(shape, NO_ITEM), np.full(shape, math.nan)
    credit_JK = np.zeros(shape)
    places_J = np.zeros(len(kept), np.int64)
    for number, slate in enumerate(kept):
        items = np.arange(slates.bounds[slate], slates.bounds[slate + 1])
        items = items[row_I[items] != NO_ITEM]
        filled = slice(0, len(items))
        rows_JK[number, filled] = row_I[items]
        propensity_JK[number, filled] = slates.propensity_I[items]
        credit_JK[number, filled] = credit_I[items]
        places_J[number] = _place(histories, int(user_J[slate]), float(slates.at_s_J[slate]))
    return SlatePlaces(
        num_logged=len(slates),
        user_J=user_J[kept],
        places_J=places_J,
        rows_JK=rows_JK,
        propensity_JK=propensity_JK,
        credit_JK=credit_JK,
    )


def _rows(slates: ServedSlates, catalogue: Catalogue) -> Ints:
    """Return each item's row, NO_ITEM for one that the catalogue lacks."""
    item_ids, number_I = np.unique(slates.item_ids_I.astype(str), return_inverse=True)
    rows = np.full(len(item_ids), NO_ITEM, np.int64)
    for number, item_id in enumerate(item_ids):
        row = catalogue.row(str(item_id))
        if row is not None:
            rows[number] = row
    row_I: Ints = rows[number_I]
    return row_I


def _place(histories: HistoryTimes, user: int, at_s: float) -> int:
    low, high = histories.user_bounds[user : user + 2]
    return int(low + np.searchsorted(histories.at_s[low:high], at_s, side="left"))
