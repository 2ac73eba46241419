"""The histories of all ranks: each holds those of its users and exchanges windows of them.

The windows of an epoch are those of one rank that holds everything, in the same order. The events
of some batches are exchanged together, before the first of them is needed.

W counts windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from trainer.data.dataset import Ints
from trainer.data.sampling import Sequences, Window, cut_windows
from trainer.data.slate_places import SlatePlaces
from trainer.machine import distributed
from trainer.machine.distributed import Array

# In an exchange, at least one batch. Their events take 5 MB with histories of 50.
WINDOWS_AT_ONCE = 4_096

_EVENTS = ("rows", "types", "ratings", "at_s", "positive", "learnable")
_OF_SLATES = ("rows_JK", "propensity_JK", "credit_JK")
_NO_LIMIT_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The windows of a global batch, and sequences that have their events.

    `seed` is the same however the events are divided among ranks.
    """

    sequences: Sequences
    windows: list[Window]
    seed: int

    @classmethod
    def of(cls, sequences: Sequences, windows: list[Window]) -> Group:
        """Return windows of sequences that one rank holds."""
        return cls(
            sequences=sequences, windows=windows, seed=_seed(windows[0].first, windows[-1].stop)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The windows of an epoch as columns: user, start, first and stop, among those of all ranks."""

    columns_W4: Ints

    def __len__(self) -> int:
        return len(self.columns_W4)

    @property
    def lengths_W(self) -> Ints:
        """The number of events of each window."""
        lengths_W: Ints = self.columns_W4[:, 3] - self.columns_W4[:, 1]
        return lengths_W


class SharedHistories:
    """The sequences of this rank's users, and what it has to know of those of other ranks."""

    def __init__(self, own: Sequences, *, limit_s: float = _NO_LIMIT_S) -> None:
        """Exchange the sizes; ranks have their users in the order of the ranks."""
        self.own = own
        self._limit_s = limit_s
        num_slates = 0 if own.slates is None else len(own.slates)
        sizes = np.array([len(own.user_bounds) - 1, len(own.rows), num_slates])
        every = distributed.arrays_of_all({"sizes": sizes}, limit_s=limit_s)
        sizes_R3 = np.stack([one["sizes"] for one in every])
        firsts_R3 = np.cumsum(sizes_R3, axis=0) - sizes_R3
        self._first_users_R: Ints = firsts_R3[:, 0]
        self._first_user, self._first_place, _ = firsts_R3[distributed.rank()].tolist()
        self._num_users, _, self.num_slates = sizes_R3.sum(axis=0).tolist()

    def cut(self, *, max_history: int, generator: np.random.Generator) -> Windows:
        """Return the windows of all ranks' learnable events."""
        return self._windows(self.own, max_history, generator)

    def cut_at_slates(self, *, max_history: int, generator: np.random.Generator) -> Windows:
        """Return the windows that the slates alone need."""
        none = np.zeros(0, np.int64)
        slates_alone = replace(
            self.own,
            learnable=np.zeros_like(self.own.learnable),
            shown_places=none,
            shown_rows=none,
            shown_users=none,
        )
        return self._windows(slates_alone, max_history, generator)

    def _windows(self, own: Sequences, max_history: int, generator: np.random.Generator) -> Windows:
        mine = cut_windows(
            own,
            max_history=max_history,
            generator=generator,
            first_user=self._first_user,
            num_users=self._num_users,
        )
        columns = [(one.user, one.start, one.first, one.stop) for one in mine]
        mine_W4 = np.array(columns, np.int64).reshape(-1, 4)
        mine_W4 += [self._first_user, *[self._first_place] * 3]
        every = distributed.arrays_of_all({"windows": mine_W4}, limit_s=self._limit_s)
        return Windows(columns_W4=np.concatenate([one["windows"] for one in every]))

    def gather(self, chosen_W4: Ints) -> tuple[Sequences, list[Window]]:
        """Return sequences that have the events of some windows, and the windows in them.

        All ranks ask for the same windows.
        """
        if distributed.num_ranks() == 1:
            return self.own, _as_windows(chosen_W4)
        owner_W = np.searchsorted(self._first_users_R, chosen_W4[:, 0], side="right") - 1
        mine_W4 = chosen_W4[owner_W == distributed.rank()].copy()
        mine_W4 -= [self._first_user, *[self._first_place] * 3]
        excerpt = excerpt_of(self.own, _as_windows(mine_W4))
        every = distributed.arrays_of_all(_arrays(excerpt), limit_s=self._limit_s)
        whole = _join(every, self.own.slates)
        user_W = np.empty(len(chosen_W4), np.int64)
        user_W[np.argsort(owner_W, kind="stable")] = np.arange(len(chosen_W4))
        start_W = whole.user_bounds[user_W]
        first_W = start_W + chosen_W4[:, 2] - chosen_W4[:, 1]
        places_W4 = np.stack([user_W, start_W, first_W, whole.user_bounds[user_W + 1]], axis=1)
        return whole, _as_windows(places_W4)


class GroupReader:
    """Reads the groups of an epoch one after the other; all ranks read the same ones."""

    def __init__(
        self, histories: SharedHistories, windows: Windows, groups: Sequence[Ints]
    ) -> None:
        self._histories = histories
        self._windows = windows
        self._groups = groups
        self._ready: dict[int, Group] = {}

    def read(self, number: int) -> Group:
        """Return a group; with the first of an exchange, those after it are fetched too."""
        if number not in self._ready:
            self._ready = self._fetch(number)
        return self._ready.pop(number)

    def _fetch(self, first: int) -> dict[int, Group]:
        size = max(len(self._groups[first]), 1)
        groups = self._groups[first : first + max(WINDOWS_AT_ONCE // size, 1)]
        chosen_W4 = self._windows.columns_W4[np.concatenate(groups)]
        sequences, windows = self._histories.gather(chosen_W4)
        ready, begin = {}, 0
        for number, group in enumerate(groups, start=first):
            end = begin + len(group)
            seed = _seed(int(chosen_W4[begin, 2]), int(chosen_W4[end - 1, 3]))
            ready[number] = Group(sequences=sequences, windows=windows[begin:end], seed=seed)
            begin = end
        return ready


def excerpt_of(sequences: Sequences, windows: Sequence[Window]) -> Sequences:
    """Return sequences in which each of the windows is a history of its own.

    They have the impressions and slates that belong to the windows, and no others.
    """
    events = _places([range(one.start, one.stop) for one in windows])
    bounds = np.cumsum([0, *(one.stop - one.start for one in windows)])
    shown, slates = [], []
    for user, window in enumerate(windows):
        is_last = window.stop == sequences.user_bounds[window.user + 1]
        low, high = window.first, window.stop + int(is_last)
        offset = int(bounds[user]) - window.start
        for number in _numbers(sequences.shown_users, sequences.shown_places, window, low, high):
            shown.append((user, int(sequences.shown_places[number]) + offset, number))
        if sequences.slates is not None:
            of_slates = sequences.slates
            for number in _numbers(of_slates.user_J, of_slates.places_J, window, low, high):
                slates.append((user, int(of_slates.places_J[number]) + offset, number))
    shown_X3 = np.array(shown, np.int64).reshape(-1, 3)
    return Sequences(
        **{name: getattr(sequences, name)[events] for name in _EVENTS},
        user_bounds=bounds,
        shown_users=shown_X3[:, 0],
        shown_places=shown_X3[:, 1],
        shown_rows=sequences.shown_rows[shown_X3[:, 2]],
        slates=_excerpt_of_slates(sequences.slates, np.array(slates, np.int64).reshape(-1, 3)),
    )


def _excerpt_of_slates(slates: SlatePlaces | None, chosen_J3: Ints) -> SlatePlaces | None:
    if slates is None:
        return None
    return SlatePlaces(
        num_logged=slates.num_logged,
        user_J=chosen_J3[:, 0],
        places_J=chosen_J3[:, 1],
        **{name: getattr(slates, name)[chosen_J3[:, 2]] for name in _OF_SLATES},
    )


def _numbers(user_X: Ints, place_X: Ints, window: Window, low: int, high: int) -> list[int]:
    """Return the entries of a window's user whose places are in [low, high)."""
    begin, end = np.searchsorted(user_X, [window.user, window.user + 1])
    inside = np.searchsorted(place_X[begin:end], [low, high]) + begin
    return list(range(*inside.tolist()))


def _places(ranges: Sequence[range]) -> Ints:
    return np.concatenate(
        [np.zeros(0, np.int64), *(np.arange(one.start, one.stop) for one in ranges)]
    )


def _arrays(excerpt: Sequences) -> dict[str, Array]:
    names = (*_EVENTS, "user_bounds", "shown_users", "shown_places", "shown_rows")
    arrays: dict[str, Array] = {name: getattr(excerpt, name) for name in names}
    if excerpt.slates is not None:
        for name in ("user_J", "places_J", *_OF_SLATES):
            arrays[name] = getattr(excerpt.slates, name)
    return arrays


def _join(parts: Sequence[dict[str, Array]], own_slates: SlatePlaces | None) -> Sequences:
    """Return the excerpts of all ranks as one, with the histories in the order of the ranks."""
    users = np.cumsum([0, *(len(one["user_bounds"]) - 1 for one in parts)])
    places = np.cumsum([0, *(len(one["rows"]) for one in parts)])

    def join(name: str, shifts: Ints | None = None) -> Array:
        if shifts is None:
            return np.concatenate([one[name] for one in parts])
        return np.concatenate(
            [one[name] + shift for one, shift in zip(parts, shifts[:-1], strict=True)]
        )

    slates = own_slates
    if slates is not None:
        slates = SlatePlaces(
            num_logged=slates.num_logged,
            user_J=join("user_J", users),
            places_J=join("places_J", places),
            **{name: join(name) for name in _OF_SLATES},
        )
    ends = [one["user_bounds"][1:] + place for one, place in zip(parts, places[:-1], strict=True)]
    return Sequences(
        **{name: join(name) for name in _EVENTS},
        user_bounds=np.concatenate([[0], *ends]),
        shown_users=join("shown_users", users),
        shown_places=join("shown_places", places),
        shown_rows=join("shown_rows"),
        slates=slates,
    )


def _as_windows(columns_W4: Ints) -> list[Window]:
    return [
        Window(user=user, start=start, first=first, stop=stop)
        for user, start, first, stop in columns_W4.tolist()
    ]


def _seed(first: int, stop: int) -> int:
    return first * 1_000_003 + stop
