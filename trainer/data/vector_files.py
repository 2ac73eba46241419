"""Vectors of items that another system made, such as of sounds, as a Parquet file.

Columns: `item_id`, a text, and `vector`, a list of numbers, as many in each row. Items without a
row have no vector; rows of items that the catalogue lacks are left out, and so are vectors of
zeros. Of several rows of an item the last one counts.

N  items      R  raw vector
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from recommender.catalogue.catalogue import Catalogue
from trainer.data.start import CannotStart

_COLUMNS = ["item_id", "vector"]


class RawVectors(NamedTuple):
    """The vectors of a modality, as its encoder made them; and which items have one."""

    vectors_NR: Tensor
    has_N: Tensor


def read_vectors(path: Path, catalogue: Catalogue) -> RawVectors:
    """Return the vectors of a catalogue's items, zeros for those without; raise CannotStart."""
    ids, vectors_XR = _read(path)
    found = list(catalogue.rows(ids))
    is_known = np.array([row is not None for row in found], np.bool_)
    known_X = is_known & (vectors_XR != 0).any(1)
    rows_X = np.array([row for row, known in zip(found, known_X, strict=True) if known], np.int64)
    vectors_NR = torch.zeros(len(catalogue), vectors_XR.shape[1])
    has_N = torch.zeros(len(catalogue), dtype=torch.bool)
    # the last of several rows of an item
    places, from_end = np.unique(rows_X[::-1], return_index=True)
    vectors_NR[places] = torch.from_numpy(vectors_XR[known_X][::-1][from_end])
    has_N[places] = True
    return RawVectors(vectors_NR, has_N)


def _read(path: Path) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Return item ids and their vectors, side by side."""
    try:
        table = pq.read_table(path, columns=_COLUMNS).combine_chunks()
        ids = table["item_id"].cast(pa.string()).to_pylist()
        lists = table["vector"].combine_chunks().cast(pa.large_list(pa.float32()))
    except (OSError, pa.ArrowException, KeyError) as error:
        raise CannotStart(
            f"{path}: not a Parquet file of vectors with the columns item_id and vector ({error})"
        ) from error
    lengths = np.diff(lists.offsets.to_numpy())
    if lists.null_count or not len(ids) or None in ids or len(set(lengths.tolist())) != 1:
        raise CannotStart(f"{path}: expected an item_id and as many numbers in each row")
    values = lists.flatten().to_numpy(zero_copy_only=False).reshape(len(ids), -1)
    if not values.shape[1] or not np.isfinite(values).all():
        raise CannotStart(f"{path}: expected finite numbers in each row")
    return ids, np.array(values)
