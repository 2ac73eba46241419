"""The vectors of the items' pictures, and which items look most like a picture.

Vectors are compared without what all pictures of a catalogue share, such as a white background: the
mean of the first release is subtracted.

N  items      P  width of a vector
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from recommender.arrays.bases import Bases
from recommender.arrays.layers import load_arrays, save_arrays

ROWS_AT_ONCE = 65_536
MIN_CENTRED = 10  # the mean of fewer pictures is mostly the pictures themselves
_MIN_LENGTH = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PictureVectors:
    """Unit vectors in half precision, zero where an item has no picture."""

    vectors_NP: Tensor
    has_N: Tensor  # bool
    mean_P: Tensor  # subtracted before vectors are compared; it stays between full retrains


def no_vectors(num_items: int, width: int) -> PictureVectors:
    """Return the vectors of items without pictures."""
    return PictureVectors(
        vectors_NP=torch.zeros(num_items, width, dtype=torch.half),
        has_N=torch.zeros(num_items, dtype=torch.bool),
        mean_P=torch.zeros(width),
    )


def with_more_items(pictures: PictureVectors, num_items: int) -> PictureVectors:
    """Return a copy for a longer catalogue, whose new items have no picture."""
    more = no_vectors(num_items - len(pictures.has_N), pictures.vectors_NP.shape[1])
    return PictureVectors(
        vectors_NP=torch.cat([pictures.vectors_NP, more.vectors_NP]),
        has_N=torch.cat([pictures.has_N, more.has_N]),
        mean_P=pictures.mean_P,
    )


def mean_of(pictures: PictureVectors) -> Tensor:
    """Return the mean_P of all pictures; zero if there are too few."""
    num = int(pictures.has_N.sum())
    if num < MIN_CENTRED:
        return torch.zeros_like(pictures.mean_P)
    sum_P = torch.zeros_like(pictures.mean_P)
    for start in range(0, len(pictures.has_N), ROWS_AT_ONCE):
        sum_P += pictures.vectors_NP[start : start + ROWS_AT_ONCE].float().sum(0)
    return sum_P / num


def cosines_with_text(pictures: PictureVectors, text_P: Tensor) -> Tensor:
    """Return the cosine_N of the items' pictures with a text's vector; NaN without a picture.

    Texts lie apart from pictures in their common space, so what pictures share stays in.
    """
    return picture_cosines(replace(pictures, mean_P=torch.zeros_like(pictures.mean_P)), text_P)


def picture_cosines(pictures: PictureVectors, vector_P: Tensor | None) -> Tensor:
    """Return the cosine_N of the items' pictures with a vector; NaN for items without a picture.

    It is NaN for all without a vector.
    """
    cosine_N = torch.full((len(pictures.has_N),), math.nan)
    if vector_P is None:
        return cosine_N
    unit_P = torch.nn.functional.normalize(vector_P - pictures.mean_P, dim=0)
    for start in range(0, len(cosine_N), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        centred_XP = pictures.vectors_NP[rows].float() - pictures.mean_P
        cosine_N[rows] = centred_XP @ unit_P / centred_XP.norm(dim=1).clamp(min=_MIN_LENGTH)
    return cosine_N.masked_fill(~pictures.has_N, math.nan)


def save_picture_vectors(
    pictures: PictureVectors, file: Path, *, parent: Path | None, whole_bytes: int
) -> None:
    """Write the vectors; large ones as layers on those of the parent's file."""
    arrays = {name: getattr(pictures, name) for name in PictureVectors.__dataclass_fields__}
    is_there = parent is not None and parent.is_file()
    save_arrays(arrays, file, parent=parent if is_there else None, whole_bytes=whole_bytes)


def load_picture_vectors(file: Path, bases: Bases) -> PictureVectors:
    """Read what `save_picture_vectors` wrote; raise as `load_arrays`."""
    return PictureVectors(**load_arrays(file, bases))
