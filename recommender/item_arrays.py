"""The arrays of a bundle that say what is known of its items without training, as a file.

Vectors are stored in half precision. Large arrays are mapped and keep it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recommender.arrays.bases import Bases
from recommender.arrays.layers import load_arrays, mapped_names
from recommender.arrays.mapped_arrays import map_arrays
from recommender.arrays.mapped_arrays import save_arrays as save_mapped
from recommender.arrays.text_column import TextColumn
from recommender.network.links import Links
from recommender.network.tensors import VECTORS, ItemFacts

TERMS_FILE = "terms.safetensors"  # only with a slot of facts
_MEAN, _COMPONENTS = "mean", "components"
_STARTS, _TERMS = "starts_X1", "terms_L"
_LINKS = ("links", "neighbours")


@dataclass(frozen=True, slots=True, kw_only=True)
class Whitening:
    """The projection (raw − mean) @ components, scaled to unit length.

    It stays the same between full retrains.
    """

    mean_R: Tensor
    components_RT: Tensor

    def apply(self, raw_MR: Tensor) -> Tensor:
        """Return whitened unit vectors_MT."""
        return torch.nn.functional.normalize((raw_MR - self.mean_R) @ self.components_RT, dim=1)


class ItemArrays(NamedTuple):
    """What a file of `item_arrays` says."""

    facts: ItemFacts
    whitening: Whitening
    modality_whitenings: Mapping[str, Whitening]


def item_arrays(
    facts: ItemFacts, whitening: Whitening, modality_whitenings: Mapping[str, Whitening]
) -> dict[str, Tensor]:
    """Return the arrays to store."""
    arrays = dict(facts.by_item())
    for name in VECTORS & arrays.keys():
        arrays[name] = arrays[name].half()
    for name in _LINKS:
        links: Links | None = getattr(facts, name)
        if links is not None:
            arrays |= {f"{name}.{_STARTS}": links.starts_X1, f"{name}.{_TERMS}": links.terms_L}
    arrays |= {_MEAN: whitening.mean_R, _COMPONENTS: whitening.components_RT}
    for name, one in modality_whitenings.items():
        arrays |= {f"{name}.{_MEAN}": one.mean_R, f"{name}.{_COMPONENTS}": one.components_RT}
    return arrays


def load_item_arrays(file: Path, bases: Bases) -> ItemArrays:
    """Read what `item_arrays` returned; raise as `load_arrays`."""
    arrays, mapped = load_arrays(file, bases), mapped_names(file)
    whitening = Whitening(mean_R=arrays.pop(_MEAN), components_RT=arrays.pop(_COMPONENTS))
    modalities = {}
    for key in [key for key in arrays if key.endswith(f".{_COMPONENTS}")]:
        name = key.removesuffix(f".{_COMPONENTS}")
        modalities[name] = Whitening(
            mean_R=arrays.pop(f"{name}.{_MEAN}"), components_RT=arrays.pop(key)
        )
    for name in (VECTORS - mapped) & arrays.keys():
        arrays[name] = arrays[name].float()
    values: dict[str, Any] = arrays
    for name in _LINKS:
        if f"{name}.{_TERMS}" in arrays:
            values[name] = Links(
                starts_X1=arrays.pop(f"{name}.{_STARTS}"), terms_L=arrays.pop(f"{name}.{_TERMS}")
            )
    return ItemArrays(
        facts=ItemFacts(**values),
        whitening=whitening,
        modality_whitenings=modalities,
    )


def save_term_names(names: TextColumn, folder: Path) -> None:
    """Write the names of the terms of a network."""
    save_mapped(names.arrays("terms"), folder / TERMS_FILE)


def load_term_names(file: Path) -> TextColumn:
    """Map what `save_term_names` wrote; raise OSError, or KeyError or ValueError."""
    return TextColumn.from_arrays(map_arrays(file), "terms")
