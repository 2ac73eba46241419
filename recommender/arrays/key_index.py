"""Find strings among a million without a dict: by sorted 64-bit hashes, which can be mapped.

K counts keys. Two keys with the same hash are told apart by reading them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np
import numpy.typing as npt

from recommender.arrays.text_column import encode

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]
_SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")


@dataclass(frozen=True, slots=True, eq=False)
class KeyIndex:
    """The hashes of keys in ascending order, and the row of each key.

    Rows of equal hashes are ascending.
    """

    hashes_K: Hashes
    rows_K: Rows

    @classmethod
    def build(cls, keys: Iterable[str | None]) -> KeyIndex:
        """Index keys by their place; a key that is None is left out."""
        return cls.of_pairs((key, row) for row, key in enumerate(keys) if key is not None)

    @classmethod
    def of_pairs(cls, pairs: Iterable[tuple[str, int]]) -> KeyIndex:
        """Index keys with their rows, which are ascending; a key may have several."""
        hashes, rows = array("Q"), array("q")
        for key, row in pairs:
            hashes.append(hash_of(key))
            rows.append(row)
        hashes_K, rows_K = np.frombuffer(hashes, np.uint64), np.frombuffer(rows, np.int64)
        order_K = np.argsort(hashes_K, kind="stable")
        return cls(hashes_K=hashes_K[order_K], rows_K=rows_K[order_K])

    def with_changes(self, moved_N: Rows, more: Iterable[tuple[str, int]]) -> KeyIndex:
        """Return the index of keys whose row n is row `moved_N[n]` now, and of some more.

        `moved_N` ascends but for −1, for keys that are no longer there.
        """
        new_K = sorted((hash_of(key), row) for key, row in more)
        rows_K = moved_N[self.rows_K]
        hashes_K, rows_K = self.hashes_K[rows_K >= 0], rows_K[rows_K >= 0]
        new_hashes_K = np.array([one for one, _ in new_K], np.uint64)
        new_rows_K = np.array([row for _, row in new_K], np.int64)
        begin_K, end_K = (np.searchsorted(hashes_K, new_hashes_K, side) for side in _SIDES)
        place_K = begin_K + [
            np.searchsorted(rows_K[begin:end], row)
            for begin, end, row in zip(begin_K, end_K, new_rows_K, strict=True)
        ]
        places_K = np.array(place_K, np.int64)
        return KeyIndex(
            hashes_K=np.insert(hashes_K, places_K, new_hashes_K),
            rows_K=np.insert(rows_K, places_K, new_rows_K),
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]], name: str) -> KeyIndex:
        """Return an index from what `arrays` returned; raise KeyError."""
        return cls(
            hashes_K=arrays[f"{name}.hashes"].view(np.uint64),
            rows_K=arrays[f"{name}.rows"].view(np.int64),
        )

    def arrays(self, name: str) -> dict[str, npt.NDArray[np.generic]]:
        """Return the index's arrays under names that begin with `name`."""
        return {f"{name}.hashes": self.hashes_K, f"{name}.rows": self.rows_K}

    def rows(self, key: str, keys: Sequence[str | None]) -> Iterator[int]:
        """Yield the rows of a key, ascending; `keys[row]` is the key of a row."""
        for row in self.maybe_rows(key):
            if keys[row] == key:
                yield row

    def maybe_rows(self, key: str) -> Iterator[int]:
        """Yield the rows of a key, and those of any other with the same hash, ascending."""
        hashed = np.uint64(hash_of(key))
        place = int(np.searchsorted(self.hashes_K, hashed))
        while place < len(self.hashes_K) and self.hashes_K[place] == hashed:
            yield int(self.rows_K[place])
            place += 1


def hash_of(key: str) -> int:
    """Return the first 64 bits of the key's BLAKE2b; the same on every machine."""
    return int.from_bytes(blake2b(encode(key), digest_size=8).digest(), "little")
