"""Interactions, stored as numbers in a file and yielded as events in time order.

The memory they need does not grow with their number, except for the text of each id.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.records.event_lines import EventColumns
from sources.row_file import RowFile, Rows

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
        """Return one event as `recommender.records.events` parses it."""
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
    """Who did what when: `rows` in time order, ties in file order.

    With an empty type, a row with a rating is a rating and any other row is of
    `type_without_rating`. `parts` are the files if there are several. `chunk_rows` rows are
    converted at once.
    """

    file: str
    file_sha256: str
    user_ids: Sequence[str]
    item_ids: Sequence[str]
    rows: RowFile
    type_without_rating: str
    types: Sequence[str] = ("",)
    parts: FileParts = FileParts()
    chunk_rows: int = CHUNK_ROWS

    def __len__(self) -> int:
        return len(self.rows)

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
        for rows in self.rows.chunks(first, last, num_rows=num_rows):
            yield self._chunk(rows)

    def latest(self, first: int, last: int, *, until_s: float) -> float | None:
        """Return the latest time up to `until_s` of rows `first` to `last`, excluding `last`."""
        latest = None
        for rows in self.rows.chunks(first, last, num_rows=self.chunk_rows):
            past = rows["at"][rows["at"] <= until_s]
            latest = float(past[-1]) if len(past) else latest
        return latest

    def _chunk(self, rows: Rows) -> EventChunk:
        ratings_C, at_us_C = rows["rating"], whole_micros(rows["at"])
        user_ids = [self.user_ids[code] for code in rows["user"].tolist()]
        item_ids = [self.item_ids[code] for code in rows["item"].tolist()]
        types = self._types(rows)
        content = zip(
            user_ids,
            item_ids,
            types,
            ratings_C.tolist(),
            at_us_C.tolist(),
            rows["place"].tolist(),
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
        return EventChunk(columns=columns, at_C=rows["at"], lines_C=rows["line"])

    def _types(self, rows: Rows) -> list[str]:
        """Return the types of rows; an empty one depends on whether there is a rating."""
        implied = [self.type_without_rating, "rating"]
        types = [implied[has_rating] for has_rating in (~np.isnan(rows["rating"])).tolist()]
        codes = rows["type"].tolist()
        return [self.types[code] or type_ for code, type_ in zip(codes, types, strict=True)]

    def place_of(self, line: int) -> tuple[str, int]:
        """Return the file of a line and the line's number there."""
        return self.parts.place_of(line, self.file)

    def num_events_of(self, wanted: frozenset[str]) -> dict[str, int]:
        """Count the events of each of these users that has any; names are compared without case."""
        codes = {code: user for code, user in enumerate(self.user_ids) if user.casefold() in wanted}
        counts: Counter[str] = Counter()
        for rows in self.rows.chunks(0, len(self), num_rows=self.chunk_rows) if codes else ():
            for code, user in codes.items():
                counts[user] += int(np.count_nonzero(rows["user"] == code))
        return dict(counts)


def whole_micros(at_N: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return whole microseconds, rounded as `datetime.fromtimestamp` does."""
    near_N = np.clip(at_N, -_LAST_S, _LAST_S)
    whole_N = np.floor(near_N)
    return whole_N.astype(np.int64) * 1_000_000 + np.rint((near_N - whole_N) * 1e6).astype(np.int64)
