"""Arrays in a safetensors file, read by mapping it: processes that read it share the memory.

The `safetensors` package copies what it reads into NumPy arrays, so the header is parsed here. The
format is 8 bytes with the header's length, the header as JSON, and the arrays' bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

Array = npt.NDArray[np.generic]

_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 1 << 20  # a few hundred bytes an array
_TYPES = {
    "U8": np.uint8,
    "F16": np.float16,
    "I32": np.int32,
    "F32": np.float32,
    "I64": np.int64,
    "U64": np.uint64,
}


def save_arrays(arrays: Mapping[str, Array], path: Path) -> None:
    """Write the arrays to a file."""
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def map_arrays(path: Path) -> dict[str, Array]:
    """Return the arrays of a file, read-only; raise OSError, or ValueError for a damaged file."""
    try:
        whole_X = np.asarray(np.memmap(path, np.uint8, "r"))  # a memmap is slow to slice
        begin = _LENGTH_BYTES + int.from_bytes(whole_X[:_LENGTH_BYTES].tobytes(), "little")
        if begin > _MAX_HEADER_BYTES:
            raise ValueError(f"its header would have {begin} bytes")
        header = json.loads(whole_X[_LENGTH_BYTES:begin].tobytes())
        header.pop("__metadata__", None)
        return {name: _array(whole_X[begin:], described) for name, described in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not a valid file of arrays ({error})") from error


def _array(data_X: npt.NDArray[np.uint8], described: Mapping[str, list[int]]) -> Array:
    start, stop = described["data_offsets"]
    kind, shape = np.dtype(_TYPES[str(described["dtype"])]), described["shape"]
    if not 0 <= start <= stop <= len(data_X) or stop - start != math.prod(shape) * kind.itemsize:
        raise ValueError("an array does not fit the file")
    return data_X[start:stop].view(kind).reshape(shape)
