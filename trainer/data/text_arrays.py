"""Columns of texts as arrays of Arrow and back, which share their bytes.

Texts are bytes here, so that lone surrogates, which are no UTF-8, are kept.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recommender.arrays.text_column import TextColumn

Ints = npt.NDArray[np.int64]


def array_of(column: TextColumn) -> pa.Array:
    """Return the texts as an array of large binaries, with nulls for those that are None."""
    is_valid = None
    if not column.has_N.all():
        is_valid = pa.py_buffer(np.packbits(column.has_N, bitorder="little"))
    starts_N1 = np.ascontiguousarray(column.starts_N1, np.int64)
    bytes_X = np.ascontiguousarray(column.bytes_X)
    buffers = [is_valid, pa.py_buffer(starts_N1), pa.py_buffer(bytes_X)]
    return pa.Array.from_buffers(pa.large_binary(), len(column), buffers)


def column_of(texts: pa.Array) -> TextColumn:
    """Return a column of an array of large binaries or strings."""
    texts = pa.concat_arrays([texts])
    has_N = texts.is_valid().to_numpy(zero_copy_only=False)
    _, offsets, content = texts.buffers()
    starts_N1 = np.zeros(len(texts) + 1, np.int64)
    if len(texts):
        starts_N1 = np.frombuffer(offsets, np.int64)[texts.offset :][: len(texts) + 1]
    bytes_X = np.frombuffer(content, np.uint8) if content is not None else np.zeros(0, np.uint8)
    begin, end = int(starts_N1[0]), int(starts_N1[-1])
    return TextColumn(bytes_X=bytes_X[begin:end], starts_N1=starts_N1 - begin, has_N=has_N)


def places_among(texts: pa.Array, others: pa.Array) -> Ints:
    """Return the place of each text among others, the first of several; −1 for those not there."""
    places = pc.index_in(texts, value_set=others, skip_nulls=True)
    found: Ints = places.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return found
