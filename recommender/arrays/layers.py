"""Large arrays as a base file and layers of changed rows, which many bundles share.

A bundle changes in a small part of its rows from one update to the next. So a large array is stored
as a chain of files: a base with all rows, then layers with the rows that later bundles changed.
Each file is named by its sha256 in the folder `content/` and is never changed. A bundle adds one
layer to the chain of the bundle before it.

When a chain would have too many layers, the youngest are merged into one, as in a log-structured
merge tree (O'Neil et al. 1996). A layer has a level: how often its rows were written at most. The
youngest layer and those of its level before it become one of the next level. That is the binomial
transform of Bentley and Saxe (1980), which spends the fewest writes on a bounded number of files:
with 48 layers, 1,224 updates write no row more than twice. A new base is written when the layers
would have more rows than the base, so it costs one more write of each. Together that is at most
three times the rows that updates changed; docs/log.md has what was measured.

Loading maps the base copy-on-write and writes the layers over it, so processes that load several
bundles share the pages that no row changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from recommender.arrays.bases import BASES, CONTENT, Bases, bases_of, link_or_copy

WHOLE_BYTES = 4_000_000  # smaller arrays are stored whole
# A base has room for this share of additional rows, so that new items do not need a new base.
SPARE_SHARE = 1 / 16
# Of an array. With n layers, n (n + 3) / 2 updates write no row more than twice: 1,224 with 48, so
# updates of at least a thousandth of the rows, before they have a base's rows. Reading 48 layers
# instead of 8 costs .07 s at a million items (docs/log.md).
MAX_LAYERS = 48
_ARRAY = "array"  # the array in a base
_ROWS, _VALUES = "rows", "values"  # in a layer; the rows are ascending
_LEVEL = "level"  # in a layer; absent from those of before there were levels
_LENGTH = ".length"  # of a layered array, in the bundle's own file


def save_arrays(
    arrays: Mapping[str, Tensor], file: Path, *, parent: Path | None, whole_bytes: int
) -> None:
    """Write arrays to a safetensors file, and bases and layers of the large ones to `content/`.

    Arrays of fewer than `whole_bytes` are stored whole. `parent` is a file that this function wrote
    for the same arrays; what is still the same is linked. Rows of an array are its first dimension.
    """
    small, chains = {}, {}
    known = {}
    if parent is not None and parent.is_file():
        known = _chains(parent, Bases(folder=parent.parent))
    for name, array in arrays.items():
        if array.dim() == 0 or array.nbytes < whole_bytes:
            small[name] = array.contiguous()
            continue
        chains[name] = _write(array, known.get(name), file.parent / CONTENT)
        small[name + _LENGTH] = torch.tensor(len(array))
    save_file(small, file, metadata={BASES: json.dumps(chains, sort_keys=True)} if chains else None)


def load_arrays(file: Path, bases: Bases) -> dict[str, Tensor]:
    """Return the arrays of a file; the large ones are mapped copy-on-write.

    Raise OSError, KeyError or RuntimeError where a base or a layer is missing or does not fit.
    """
    arrays = load_file(file)
    for name, chain in _chains(file, bases).items():
        whole = chain.base[: int(arrays.pop(name + _LENGTH))]
        for layer in chain.layers:
            whole[layer.rows_X] = layer.values
        # In a file from before there were layers, it has the rows that differ from the base.
        if f"{name}.{_ROWS}" in arrays:
            whole[arrays.pop(f"{name}.{_ROWS}")] = arrays.pop(f"{name}.{_VALUES}")
        arrays[name] = whole
    return arrays


def mapped_names(file: Path) -> frozenset[str]:
    """Return the names of the arrays that are stored as a base and layers."""
    return frozenset(bases_of(file))


@dataclass(frozen=True, slots=True, kw_only=True)
class _RowLayer:
    """Changed rows of an array, ascending, and their values at that time.

    Each row was written at most `level` times since it changed.
    """

    file: Path
    rows_X: Tensor
    values: Tensor
    level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chain:
    """The files of an array: all rows, with room for more, then the layers, oldest first."""

    file: Path
    base: Tensor
    layers: tuple[_RowLayer, ...]

    @classmethod
    def load(cls, files: Sequence[Path]) -> _Chain:
        """Map the files of a chain."""
        layers = []
        for file in files[1:]:
            layer = load_file(file)
            rows_X, level = layer[_ROWS].long(), int(layer.get(_LEVEL, 1))
            layers.append(_RowLayer(file=file, rows_X=rows_X, values=layer[_VALUES], level=level))
        return cls(file=files[0], base=load_file(files[0])[_ARRAY], layers=tuple(layers))

    def fits(self, array: Tensor) -> bool:
        """Return whether layers on this chain can make it the array."""
        last = max((int(layer.rows_X[-1]) for layer in self.layers), default=-1)
        is_alike = (array.dtype, array.shape[1:]) == (self.base.dtype, self.base.shape[1:])
        return is_alike and last < len(array) <= len(self.base)

    def changed_rows(self, array: Tensor) -> Tensor:
        """Return the rows_X, ascending, in which the array differs from the chain."""
        differs_N = _differs(array, self.base[: len(array)])
        for layer in self.layers:
            differs_N[layer.rows_X] = _differs(array[layer.rows_X], layer.values)
        return differs_N.nonzero().squeeze(1)


def _chains(file: Path, bases: Bases) -> dict[str, _Chain]:
    """Map the chains of a file's large arrays."""
    return {
        name: _Chain.load([bases.file(digest) for digest in digests])
        for name, digests in bases_of(file).items()
    }


def _differs(left: Tensor, right: Tensor) -> Tensor:
    """Return whether each row differs."""
    return (left != right).view(len(left), -1).any(1)


def _write(array: Tensor, chain: _Chain | None, folder: Path) -> list[str]:
    """Write what a chain lacks of an array, link the rest; return the names of the files."""
    if chain is None or not chain.fits(array):
        return [_write_base(array, folder)]
    rows_X, layers = chain.changed_rows(array), chain.layers
    plan = plan_layer([layer.level for layer in layers]) if len(rows_X) else None
    kept = layers if plan is None else layers[: plan.num_kept]
    rows_X = torch.cat([rows_X, *(layer.rows_X for layer in layers[len(kept) :])]).unique()  # type: ignore[no-untyped-call]
    if len(rows_X) + sum(len(layer.rows_X) for layer in kept) > len(chain.base):
        return [_write_base(array, folder)]
    files = [chain.file, *(layer.file for layer in kept)]
    for file in files:
        link_or_copy(file, folder / file.name)
    names = [file.name for file in files]
    if plan is not None:
        level = torch.tensor(plan.level)
        layer = {_ROWS: rows_X.int(), _VALUES: array[rows_X], _LEVEL: level}
        names.append(_write_named(layer, folder))
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPlan:
    """How many of the older layers stay; the new one, of this level, has the rows of the others."""

    num_kept: int
    level: int


def plan_layer(levels: Sequence[int], *, max_layers: int = MAX_LAYERS) -> LayerPlan:
    """Return where the next layer goes, from the levels of the layers before it, oldest first.

    While there is room it is one more. Then it takes in the youngest layers of the same level.
    """
    if len(levels) < max_layers:
        return LayerPlan(num_kept=len(levels), level=1)
    num_kept = len(levels)
    while num_kept and levels[num_kept - 1] <= levels[-1]:
        num_kept -= 1
    return LayerPlan(num_kept=num_kept, level=levels[-1] + 1)


def _write_base(array: Tensor, folder: Path) -> str:
    """Write an array with room for more rows, zeros for now."""
    spare = array.new_zeros(int(len(array) * SPARE_SHARE) + 1, *array.shape[1:])
    return _write_named({_ARRAY: torch.cat([array, spare])}, folder)


def _write_named(arrays: Mapping[str, Tensor], folder: Path) -> str:
    """Write a file and name it by its sha256, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    unnamed = folder / f"{os.getpid()}.tmp"
    save_file({name: array.contiguous() for name, array in arrays.items()}, unnamed)
    with unnamed.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    unnamed.replace(folder / digest)
    return digest
