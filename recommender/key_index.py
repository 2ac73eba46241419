"""Find strings among a million without a dict: by sorted 64-bit hashes, which can be mapped.

K counts keys. Two keys with the same hash are told apart by reading them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from recommender.text_column import encode

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


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
        named = [(hash_of(key), row) for row, key in enumerate(keys) if key is not None]
        hashes = np.fromiter((one for one, _ in named), np.uint64, count=len(named))
        rows = np.fromiter((row for _, row in named), np.int64, count=len(named))
        order = np.argsort(hashes, kind="stable")
        return cls(hashes_K=hashes[order], rows_K=rows[order])

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
        hashed = np.uint64(hash_of(key))
        place = int(np.searchsorted(self.hashes_K, hashed))
        while place < len(self.hashes_K) and self.hashes_K[place] == hashed:
            row = int(self.rows_K[place])
            if keys[row] == key:
                yield row
            place += 1


def hash_of(key: str) -> int:
    """Return the first 64 bits of the key's BLAKE2b; the same on every machine."""
    return int.from_bytes(blake2b(encode(key), digest_size=8).digest(), "little")
