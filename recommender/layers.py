"""Large arrays as a base file, which many bundles share, and the rows that differ from it.

A bundle changes in a small part of its rows from one update to the next. So a large array is stored
in two parts. The base is a file of its own, named by its sha256 in the folder `content/`, and is
never changed. The rows that differ from it are stored with the small arrays. Loading maps the base
copy-on-write and writes those rows over it, so processes that load several bundles share the pages
that no row changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from recommender.bases import BASES, CONTENT, Bases, bases_of, link_or_copy

WHOLE_BYTES = 32_000_000  # smaller arrays are stored whole
# A base has room for this share of additional rows, so that new items do not need a new base.
SPARE_SHARE = 1 / 16
# With more changed rows than this share, a new base is written. Beyond it the changed rows cost
# more than a base that is written once in many updates.
CHANGED_SHARE = 1 / 4
_ARRAY = "array"  # the name of the array in a base
_ROWS, _VALUES, _LENGTH = ".rows", ".values", ".length"


def save_arrays(
    arrays: Mapping[str, Tensor], file: Path, *, parent: Path | None, whole_bytes: int
) -> None:
    """Write arrays to a safetensors file, and new bases of the large ones into `content/`.

    Arrays of fewer than `whole_bytes` are stored whole. `parent` is a file that this function wrote
    for the same arrays; its bases are linked where enough rows are still the same. Rows of an array
    are its first dimension.
    """
    small, bases = {}, {}
    old = bases_of(parent) if parent is not None and parent.is_file() else {}
    for name, array in arrays.items():
        if array.dim() == 0 or array.nbytes < whole_bytes:
            small[name] = array.contiguous()
            continue
        known = parent.parent / CONTENT / old[name] if parent is not None and name in old else None
        rows_X = _changed_rows(array, known)
        if known is None or rows_X is None:
            bases[name], rows_X = _write_base(array, file.parent / CONTENT), torch.arange(0)
        else:
            link_or_copy(known, file.parent / CONTENT / known.name)
            bases[name] = known.name
        small[name + _ROWS] = rows_X
        small[name + _VALUES] = array[rows_X].contiguous()
        small[name + _LENGTH] = torch.tensor(len(array))
    save_file(small, file, metadata={BASES: json.dumps(bases, sort_keys=True)} if bases else None)


def load_arrays(file: Path, bases: Bases) -> dict[str, Tensor]:
    """Return the arrays of a file; the large ones are mapped copy-on-write.

    Raise OSError, KeyError or RuntimeError where a base is missing or does not fit.
    """
    arrays = load_file(file)
    for name, digest in bases_of(file).items():
        length = int(arrays.pop(name + _LENGTH))
        rows_X, values = arrays.pop(name + _ROWS), arrays.pop(name + _VALUES)
        whole = load_file(bases.file(digest))[_ARRAY][:length]
        whole[rows_X] = values
        arrays[name] = whole
    return arrays


def mapped_names(file: Path) -> frozenset[str]:
    """Return the names of the arrays that are stored as a base and changed rows."""
    return frozenset(bases_of(file))


def _changed_rows(array: Tensor, base: Path | None) -> Tensor | None:
    """Return the rows that differ from the base; None where a new base is needed."""
    if base is None:
        return None
    whole = load_file(base)[_ARRAY]
    fits = len(array) <= len(whole) and array.shape[1:] == whole.shape[1:]
    if not fits or array.dtype != whole.dtype:
        return None
    differs_N = (array != whole[: len(array)]).view(len(array), -1).any(1)
    rows_X = differs_N.nonzero().squeeze(1)
    return rows_X if len(rows_X) <= CHANGED_SHARE * len(array) else None


def _write_base(array: Tensor, folder: Path) -> str:
    """Write an array with room for more rows, zeros for now; return the digest, its name."""
    spare = array.new_zeros(int(len(array) * SPARE_SHARE) + 1, *array.shape[1:])
    folder.mkdir(parents=True, exist_ok=True)
    unnamed = folder / f"{os.getpid()}.tmp"
    save_file({_ARRAY: torch.cat([array, spare])}, unnamed)
    with unnamed.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    unnamed.replace(folder / digest)
    return digest
