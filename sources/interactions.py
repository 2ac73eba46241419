"""Tens of millions of interactions, stored as numbers and yielded as events in time order.

They may be added in any order. A row costs 36 bytes, and each id its text once.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from recommender.event_lines import EventColumns

Ids = Sequence[str] | NDArray[np.object_]
CHUNK_ROWS = 50_000
_LAST_S = 1e12  # beyond any calendar; microseconds up to here fit into 64 bits


def record_id(file_sha256: str, line: int) -> str:
    """Return the event id of an item on a line of a file; ids of one file sort by line."""
    return f"{file_sha256[:12]}:{line:09}"


def event_id(user: str, item: str, type_: str, rating: float, at_us: int, place: int) -> str:
    """Return an interaction's id, made of its content and its place; a rating of NaN means none.

    `place` counts the earlier events of the same user and microsecond. Histories order events of
    one moment by id, hence time and place come first; the number of digits precedes the place, so
    that 10 sorts after 9. Rows that a longer export of the same data adds later do not change an
    id.
    """
    precise = "" if math.isnan(rating) else f"{rating:.7g}"  # the precision of float32
    content = f"{user}\0{item}\0{type_}\0{at_us}\0{precise}"
    digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{at_us:016}:{len(str(place))}{place}:{digest[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileParts:
    """The files of a table in several parts, each with the number of lines before it."""

    files: Sequence[str] = ()
    num_lines_before: Sequence[int] = ()

    def place_of(self, line: int, file: str) -> tuple[str, int]:
        """Return the file and line of a line that is counted through all parts.

        Without parts it is `line` of the given file.
        """
        if not self.files:
            return file, line
        part = bisect_left(self.num_lines_before, line) - 1
        return self.files[part], line - self.num_lines_before[part]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventChunk:
    """Some events as columns, with their times in epoch seconds as read, and their lines."""

    columns: EventColumns
    at_C: NDArray[np.float64]
    lines_C: NDArray[np.int64]

    def raw(self, row: int) -> dict[str, object]:
        """Return one event as `recommender.events` parses it."""
        columns, rating = self.columns, float(self.columns.ratings_C[row])
        event: dict[str, object] = {
            "event_id": columns.event_ids[row],
            "user_id": columns.user_ids[row],
            "item_id": columns.item_ids[row],
            "type": columns.types[row],
            "at": float(self.at_C[row]),
        }
        if not math.isnan(rating):
            event["rating"] = rating
        return event


@dataclass(frozen=True, slots=True, kw_only=True)
class Interactions:
    """Who did what when: N rows in time order, ties in file order.

    A rating of NaN means none; `at` is in epoch seconds. `places` counts the earlier rows of the
    same user and microsecond. Without `types_N`, or with an empty type, a row with a rating is a
    rating and any other row is of `type_without_rating`. `parts` are the files if there are
    several. `chunk_rows` rows are converted at once.
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
    chunk_rows: int = CHUNK_ROWS

    def __len__(self) -> int:
        return len(self.at_N)

    def __iter__(self) -> Iterator[dict[str, object]]:
        return self.between(0, len(self))

    def between(self, first: int, last: int) -> Iterator[dict[str, object]]:
        """Yield the raw events of rows `first` to `last`, excluding `last`."""
        return (event for _, event in self.with_lines(first, last))

    def with_lines(self, first: int, last: int) -> Iterator[tuple[int, dict[str, object]]]:
        """Yield the same events with their lines."""
        for chunk in self.chunks(first, last, num_rows=self.chunk_rows):
            for row, line in enumerate(chunk.lines_C.tolist()):
                yield line, chunk.raw(row)

    def chunks(self, first: int, last: int, *, num_rows: int) -> Iterator[EventChunk]:
        """Yield the same events as columns of up to `num_rows` events."""
        for begin in range(first, last, num_rows):
            yield self._chunk(slice(begin, min(begin + num_rows, last)))

    def _chunk(self, rows: slice) -> EventChunk:
        ratings_C, at_us_C = self.ratings_N[rows], _micros(self.at_N[rows])
        user_ids = [self.user_ids[code] for code in self.users_N[rows].tolist()]
        item_ids = [self.item_ids[code] for code in self.items_N[rows].tolist()]
        types = self._types(rows, ratings_C)
        content = zip(
            user_ids,
            item_ids,
            types,
            ratings_C.tolist(),
            at_us_C.tolist(),
            self.places_N[rows].tolist(),
            strict=True,
        )
        columns = EventColumns(
            event_ids=[event_id(*one) for one in content],
            user_ids=user_ids,
            item_ids=item_ids,
            types=types,
            ratings_C=ratings_C,
            at_us_C=at_us_C,
        )
        return EventChunk(columns=columns, at_C=self.at_N[rows], lines_C=self.lines_N[rows])

    def _types(self, rows: slice, ratings_C: NDArray[np.float64]) -> list[str]:
        """Return the types of rows; an empty one depends on whether there is a rating."""
        implied = [self.type_without_rating, "rating"]
        types = [implied[has_rating] for has_rating in (~np.isnan(ratings_C)).tolist()]
        if self.types_N is None:
            return types
        codes = self.types_N[rows].tolist()
        return [self.types[code] or type_ for code, type_ in zip(codes, types, strict=True)]

    def place_of(self, line: int) -> tuple[str, int]:
        """Return the file of a line and the line's number there."""
        return self.parts.place_of(line, self.file)

    def num_events_of(self, wanted: frozenset[str]) -> dict[str, int]:
        """Count the events of each of these users that has any; names are compared without case."""
        codes = {code: user for code, user in enumerate(self.user_ids) if user.casefold() in wanted}
        return {user: int(np.count_nonzero(self.users_N == code)) for code, user in codes.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """A chunk of C rows in file order."""

    users_C: NDArray[np.int32]
    items_C: NDArray[np.int32]
    ratings_C: NDArray[np.float64]
    at_C: NDArray[np.float64]
    lines_C: NDArray[np.int64]


class Gathering:
    """Rows to be turned into Interactions; chunks are added in file order.

    The Interactions are made, and later read, by `chunk_rows` rows at a time.
    """

    def __init__(self, *, chunk_rows: int = CHUNK_ROWS) -> None:
        self._chunk_rows = chunk_rows
        self._users, self._items = _Codes(), _Codes()
        self._chunks: list[_Rows] = []
        self._types = _Codes()
        self._type_chunks: list[NDArray[np.int16]] = []

    @property
    def types(self) -> Sequence[str]:
        """The distinct types that were added."""
        return self._types.ids

    def add_types(self, types: Ids) -> None:
        """Add the types of the rows added last; either all chunks have types or none."""
        self._type_chunks.append(self._types.of(types).astype(np.int16))

    def add(
        self, *, user_ids: Ids, item_ids: Ids, ratings: ArrayLike, at: ArrayLike, lines: ArrayLike
    ) -> None:
        """Add a chunk of rows, columns of equal length; ids lose surrounding blanks."""
        self._chunks.append(
            _Rows(
                users_C=self._users.of(user_ids),
                items_C=self._items.of(item_ids),
                ratings_C=np.asarray(ratings, np.float64),
                at_C=np.asarray(at, np.float64),
                lines_C=np.asarray(lines, np.int64),
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
        """Return the rows in time order, and the lines of repeated rows.

        With `once`, a row that equals an earlier one is left out and its line is returned.
        """
        users_N = np.concatenate([chunk.users_C for chunk in self._chunks])
        items_N = np.concatenate([chunk.items_C for chunk in self._chunks])
        ratings_N = np.concatenate([chunk.ratings_C for chunk in self._chunks])
        at_N = np.concatenate([chunk.at_C for chunk in self._chunks])
        lines_N = np.concatenate([chunk.lines_C for chunk in self._chunks])
        self._chunks.clear()
        types_N = np.concatenate(self._type_chunks) if self._type_chunks else None
        order_N = np.argsort(at_N, kind="stable")
        is_repeat_N = np.zeros(len(at_N), np.bool_)
        if once:
            columns = {"user": users_N, "item": items_N, "rating": ratings_N, "at": at_N}
            if types_N is not None:
                columns["type"] = types_N
            is_repeat_N = _repeats(columns, order_N)
        order_N = order_N[~is_repeat_N[order_N]]
        places_N = _places(users_N[order_N], _micros(at_N[order_N]), self._chunk_rows)
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
            chunk_rows=self._chunk_rows,
            types_N=None if types_N is None else types_N[order_N],
        )
        return gathered, lines_N[is_repeat_N].tolist()

    def __len__(self) -> int:
        return sum(len(chunk.users_C) for chunk in self._chunks)


def _repeats(columns: Mapping[str, NDArray[Any]], order_N: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the rows that equal an earlier one in all columns; `order_N` sorts by time.

    Only rows that share their time are hashed: hashing two million rows took 120 MB more.
    """
    rows = _at_shared_times(columns["at"], order_N)
    is_repeat_N = np.zeros(len(order_N), np.bool_)
    shared = pd.DataFrame({name: column[rows] for name, column in columns.items()})
    is_repeat_N[rows] = shared.duplicated().to_numpy()
    return is_repeat_N


def _at_shared_times(at_N: NDArray[np.float64], order_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows, in file order, that share their time with another row.

    `order_N` sorts by time.
    """
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


def _places(
    users_N: NDArray[np.int32], at_us_N: NDArray[np.int64], chunk_rows: int
) -> NDArray[np.int32]:
    """Return how many earlier rows have the same user and time; rows are in time order."""
    places_N = np.zeros(len(users_N), np.int32)
    begin = 0
    # By chunks: sorting ten million rows whose times are whole days took 500 MB.
    while begin < len(users_N):
        last_us = at_us_N[min(begin + chunk_rows, len(users_N)) - 1]
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
    """Assigns a number to each id, in order of first appearance."""

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
