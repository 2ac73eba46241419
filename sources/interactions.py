"""Interactions by the ten million: gathered in any order, kept as numbers, handed out as raw events in time order.

Knows ids, times and lines; no publisher and no file format. A row costs 36 bytes, an id its text
once.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Ids = Sequence[str] | NDArray[np.object_]
_CHUNK_ROWS = 50_000
_LAST_S = 1e12  # no calendar reaches as far; microseconds up to there are whole numbers of 64 bits


def record_id(file_sha256: str, line: int) -> str:
    """Return the event id of an item, a line of a file; ids of one file sort by line."""
    return f"{file_sha256[:12]}:{line:09}"


def event_id(event: Mapping[str, object], at_us: int, place: int) -> str:
    """Return an interaction's id, made of what it says and its place among those of its user and microsecond.

    Histories order what happened at one moment by id, hence time and place in front; the digits of
    the place are counted before it, so that 10 sorts after 9. What comes behind it in time, in a
    longer export of the same rows, changes neither.
    """
    rating = f"{event['rating']:.7g}" if "rating" in event else ""  # as precise as float32
    said = f"{event['user_id']}\0{event['item_id']}\0{event['type']}\0{at_us}\0{rating}"
    digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{at_us:016}:{len(str(place))}{place}:{digest[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileParts:
    """The files of a table in several, each with the number of lines in those before it."""

    files: Sequence[str] = ()
    num_lines_before: Sequence[int] = ()

    def place_of(self, line: int, file: str) -> tuple[str, int]:
        """Return the file of a line, counted through all parts, and its number there; the given file when there is one only."""
        if not self.files:
            return file, line
        part = bisect_left(self.num_lines_before, line) - 1
        return self.files[part], line - self.num_lines_before[part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interactions:
    """Who did what when: N rows in time order, ties in file order. A rating that is NaN means none; `at` is in epoch seconds.

    `places` counts the rows of the same user and microsecond that stand before each. Without
    `types_N` a row with a rating is a rating, and any other is of `type_without_rating`; so is a
    row whose type is empty. `parts` says which file a line is in, where there are several.
    """

    file: str
    file_sha256: str
    user_ids: Sequence[str]
    item_ids: Sequence[str]
    users_N: NDArray[np.int32]
    items_N: NDArray[np.int32]
    ratings_N: NDArray[np.float64]
    at_N: NDArray[np.float64]
    lines_N: NDArray[np.int64]
    places_N: NDArray[np.int32]
    type_without_rating: str
    types: Sequence[str] = ()
    types_N: NDArray[np.int16] | None = None
    parts: FileParts = FileParts()

    def __len__(self) -> int:
        return len(self.at_N)

    def __iter__(self) -> Iterator[dict[str, object]]:
        return self.between(0, len(self))

    def between(self, first: int, last: int) -> Iterator[dict[str, object]]:
        """Yield the raw events of rows first to last, the last left out."""
        return (event for _, event in self.numbered(first, last))

    def numbered(self, first: int, last: int) -> Iterator[tuple[int, dict[str, object]]]:
        """Yield the same with their lines."""
        for begin in range(first, last, _CHUNK_ROWS):
            rows = slice(begin, min(begin + _CHUNK_ROWS, last))
            kept = (
                self.users_N,
                self.items_N,
                self.ratings_N,
                self.at_N,
                self.lines_N,
                self.places_N,
            )
            columns = [column[rows].tolist() for column in kept]
            types = self._types(rows)
            for user, item, rating, at, line, place, at_us, type_ in zip(
                *columns, _micros(self.at_N[rows]).tolist(), types, strict=False
            ):
                event: dict[str, object] = {
                    "event_id": "",
                    "user_id": self.user_ids[user],
                    "item_id": self.item_ids[item],
                    "type": type_ or self.type_without_rating,
                    "at": at,
                }
                if not math.isnan(rating):
                    event["type"], event["rating"] = type_ or "rating", rating
                event["event_id"] = event_id(event, at_us, place)
                yield line, event

    def _types(self, rows: slice) -> Iterable[str]:
        return (
            repeat("")
            if self.types_N is None
            else [self.types[code] for code in self.types_N[rows].tolist()]
        )

    def place_of(self, line: int) -> tuple[str, int]:
        """Return the file of a line and its number there."""
        return self.parts.place_of(line, self.file)

    def num_events_of(self, wanted: frozenset[str]) -> dict[str, int]:
        """Count the events of these users, of those that have any."""
        codes = {code: user for code, user in enumerate(self.user_ids) if user.casefold() in wanted}
        return {user: int(np.count_nonzero(self.users_N == code)) for code, user in codes.items()}


class Gathering:
    """Rows on their way to Interactions; `add` as many chunks as there are, in file order."""

    def __init__(self) -> None:
        self._users, self._items = _Codes(), _Codes()
        self._chunks: list[
            tuple[
                NDArray[np.int32],
                NDArray[np.int32],
                NDArray[np.float64],
                NDArray[np.float64],
                NDArray[np.int64],
            ]
        ] = []
        self._types = _Codes()
        self._type_chunks: list[NDArray[np.int16]] = []

    @property
    def types(self) -> Sequence[str]:
        """The different types that were added."""
        return self._types.ids

    def add_types(self, types: Ids) -> None:
        """Add the types of the rows added last; all chunks have some, or none."""
        self._type_chunks.append(self._types.of(types).astype(np.int16))

    def add(
        self, *, user_ids: Ids, item_ids: Ids, ratings: ArrayLike, at: ArrayLike, lines: ArrayLike
    ) -> None:
        """Add a chunk of rows, columns of equal length; ids are stripped of surrounding blanks."""
        self._chunks.append(
            (
                self._users.of(user_ids),
                self._items.of(item_ids),
                np.asarray(ratings, np.float64),
                np.asarray(at, np.float64),
                np.asarray(lines, np.int64),
            )
        )

    def interactions(
        self,
        file: str,
        file_sha256: str,
        *,
        once: bool = False,
        type_without_rating: str = "view",
        parts: FileParts | None = None,
    ) -> tuple[Interactions, list[int]]:
        """Return the rows in time order, and the lines of those left out because, if `once`, an equal one stands before them."""
        users_N, items_N, ratings_N, at_N, lines_N = (
            np.concatenate(columns) for columns in zip(*self._chunks, strict=True)
        )
        self._chunks.clear()
        types_N = np.concatenate(self._type_chunks) if self._type_chunks else None
        order_N = np.argsort(at_N, kind="stable")
        again_N = np.zeros(len(at_N), np.bool_)
        if once:
            rows = _at_shared_times(
                at_N, order_N
            )  # only these are hashed: of two million rows, all took 120 MB more
            columns: dict[str, NDArray[Any]] = {
                "user": users_N,
                "item": items_N,
                "rating": ratings_N,
                "at": at_N,
            }
            if types_N is not None:
                columns["type"] = types_N
            again_N[rows] = (
                pd.DataFrame({name: column[rows] for name, column in columns.items()})
                .duplicated()
                .to_numpy()
            )
        order_N = order_N[~again_N[order_N]]
        places_N = _places(users_N[order_N], _micros(at_N[order_N]))
        gathered = Interactions(
            file=file,
            file_sha256=file_sha256,
            user_ids=self._users.ids,
            item_ids=self._items.ids,
            users_N=users_N[order_N],
            items_N=items_N[order_N],
            ratings_N=ratings_N[order_N],
            at_N=at_N[order_N],
            lines_N=lines_N[order_N],
            places_N=places_N,
            type_without_rating=type_without_rating,
            types=self._types.ids,
            parts=parts or FileParts(),
            types_N=None if types_N is None else types_N[order_N],
        )
        return gathered, lines_N[again_N].tolist()

    def __len__(self) -> int:
        return sum(len(chunk[0]) for chunk in self._chunks)


def _at_shared_times(at_N: NDArray[np.float64], order_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows, in file order, whose time another row has too; `order_N` sorts by time."""
    sorted_N = at_N[order_N]
    like_next = sorted_N[1:] == sorted_N[:-1]
    shared_N = np.zeros(len(at_N), np.bool_)
    shared_N[1:] |= like_next
    shared_N[:-1] |= like_next
    return np.sort(order_N[shared_N])


def _micros(at_N: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return whole microseconds, rounded as `datetime.fromtimestamp` does."""
    near_N = np.clip(at_N, -_LAST_S, _LAST_S)
    whole_N = np.floor(near_N)
    return whole_N.astype(np.int64) * 1_000_000 + np.rint((near_N - whole_N) * 1e6).astype(np.int64)


def _places(users_N: NDArray[np.int32], at_us_N: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return how many rows of the same user and time stand before each; they come in time order."""
    places_N = np.zeros(len(users_N), np.int32)
    begin = 0
    while begin < len(
        users_N
    ):  # by chunks, since sorting ten million rows whose times are whole days took 500 MB
        last_us = at_us_N[min(begin + _CHUNK_ROWS, len(users_N)) - 1]
        end = int(np.searchsorted(at_us_N, last_us, side="right"))
        users_C, at_us_C = users_N[begin:end], at_us_N[begin:end]
        order_C = np.lexsort((users_C, at_us_C))
        users_C, at_us_C = users_C[order_C], at_us_C[order_C]
        is_first_C = np.ones(end - begin, np.bool_)
        is_first_C[1:] = (users_C[1:] != users_C[:-1]) | (at_us_C[1:] != at_us_C[:-1])
        firsts = np.flatnonzero(is_first_C)
        places_N[begin + order_C] = np.arange(end - begin) - np.repeat(
            firsts, np.diff(firsts, append=end - begin)
        )
        begin = end
    return places_N


class _Codes:
    """A number for each id, by first appearance."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._codes: dict[str, int] = {}

    def of(self, ids: Ids) -> NDArray[np.int32]:
        places_N, uniques = pd.factorize(np.asarray(ids, dtype=object))
        return np.array([self._code(str(one).strip()) for one in uniques], np.int32)[places_N]

    def _code(self, one: str) -> int:
        code = self._codes.setdefault(one, len(self.ids))
        if code == len(self.ids):
            self.ids.append(one)
        return code
